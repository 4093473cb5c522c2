"""Recordings of several channels, and recordings that are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from double.meetings import Properties, fetch, record, use, whole
from double.service import ServiceDouble
from speech_adapters import MeetingRequest, Mode, Transcript
from speech_adapters.audio import PcmFormat
from speech_adapters.meetings import MeetingService


@pytest.mark.parametrize("channels", [2, 8])
def test_several_channels_are_uploaded_as_one(
    properties: Properties, double: ServiceDouble, channels: int
) -> None:
    async def work(meetings: MeetingService) -> Transcript:
        await record(meetings, audio=PcmFormat(16_000, channels))
        return await fetch(meetings)

    (utterance,) = use(properties(), work).utterances
    assert utterance.text == f"A double heard {1 / channels:.3f} seconds."


def tones(seconds: float, quiet_at: float, channels: int = 1) -> bytes:
    """Return noise with half a second of quiet, the same on all channels."""
    import numpy as np

    samples = np.random.default_rng(1).integers(-8_000, 8_000, round(seconds * 16_000))
    first = round(quiet_at * 16_000)
    samples[first : first + 8_000] = 0
    return samples.astype("<i2").repeat(channels).tobytes()


async def record_sound(
    meetings: MeetingService, sound: bytes, channels: int, apart: bool = True
) -> None:
    pcm = PcmFormat(channels=channels)
    request = MeetingRequest(
        "m", mode=Mode.STORED, audio=pcm, differentiate_speakers=apart, max_speakers=3
    )
    session = await meetings.open_session(request)
    await session.push(sound)
    await session.finish()
    await session.aclose()


def test_too_long_a_meeting_is_cut_where_it_is_quiet(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.upload.LONGEST_SECONDS", 3)

    async def work(meetings: MeetingService) -> Transcript:
        await record_sound(meetings, tones(4, quiet_at=2.0), 1)
        return await fetch(meetings)

    transcript = use(properties(), work)
    (job,) = double.jobs.values()
    assert len(job.body["contentUrls"]) == 2
    first, second = transcript.utterances
    assert (first.speaker, second.speaker) == (0, 1)
    cut = second.offset - 1_000_000
    assert 20_000_000 < cut < 25_000_000, "in the quiet, which begins at 2 s"
    assert transcript.duration == 40_000_000
    assert "sent in 2 parts" in transcript.provenance.emulated[0]
    assert len({utterance.id for utterance in transcript.utterances}) == 2


def test_without_diarization_nothing_is_cut(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.upload.LONGEST_SECONDS", 3)
    use(properties(), lambda meetings: record_sound(meetings, tones(4, 2.0), 1, apart=False))
    (job,) = double.jobs.values()
    assert len(job.body["contentUrls"]) == 1


@pytest.mark.parametrize("channels", [2, 8])
@pytest.mark.parametrize(("policy", "diarized"), [("split", True), ("speakers", False)])
def test_channels_can_be_split(
    properties: Properties,
    double: ServiceDouble,
    tmp_path: Path,
    channels: int,
    policy: str,
    diarized: bool,
) -> None:
    changed = properties(channels=policy)

    async def work(meetings: MeetingService) -> Transcript:
        await record_sound(meetings, tones(1, 0.0, channels), channels)
        return await fetch(meetings)

    transcript = use(changed, work)
    (job,) = double.jobs.values()
    assert len(job.body["contentUrls"]) == channels
    assert ("diarization" in job.body["properties"]) == diarized
    assert [u.speaker for u in transcript.utterances] == list(range(channels))
    assert [u.channel for u in transcript.utterances] == list(range(channels))
    assert {u.text for u in transcript.utterances} == {"A double heard 1.000 seconds."}
    elsewhere = {**changed, "state_dir": str(tmp_path / "elsewhere")}
    assert use(elsewhere, fetch) == transcript, "put together without anything of this machine"


@pytest.mark.parametrize("policy", ["split", "speakers"])
def test_one_channel_is_diarized_whatever_the_option_for_several(
    properties: Properties, double: ServiceDouble, policy: str
) -> None:
    assert use(properties(channels=policy), whole).utterances[0].speaker == 0
    (job,) = double.jobs.values()
    assert job.body["properties"]["diarization"]["enabled"]


def test_each_channel_is_sent_as_it_is(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second channel is silent: nothing is recognized there."""
    stereo = b"\x11\x00\x00\x00" * 16_000

    async def work(meetings: MeetingService) -> Transcript:
        await record_sound(meetings, stereo, 2)
        return await fetch(meetings)

    (utterance,) = use(properties(channels="split"), work).utterances
    assert utterance.channel == 0
