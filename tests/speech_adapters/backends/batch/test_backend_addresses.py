"""Meetings whose audio is at addresses of the program."""

from __future__ import annotations

import wave
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from double.batch_parts import Parts
from double.containers import signed_container
from double.meetings import SOUND, Properties, fetch, use
from double.service import ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode, Transcript
from speech_adapters.errors import (
    AudioError,
    MeetingFailedError,
    SpeechError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

ONE = r"GET .*/transcriptions/[^/]+$"


async def submit_addresses(meetings: MeetingService, *addresses: str) -> None:
    request = MeetingRequest("m", mode=Mode.STORED, addresses=addresses)
    session = await meetings.open_session(request)
    with pytest.raises(SpeechError, match="none can be pushed"):
        await session.push(b"\x00\x00")
    await session.finish()
    assert [event async for event in session.events()] == []
    await session.aclose()
    await session.aclose()


@pytest.fixture
def uploaded(storage: str) -> str:
    """Return the address of a container with two recordings, signed for a short while."""
    url, signature = signed_container(storage, {"second.wav": SOUND * 2, "first.wav": SOUND})
    return f"{url}/?{signature}"


@pytest.mark.parametrize(
    ("folder", "names"),
    [(False, ("first", "second")), (False, ("second", "first")), (True, ("first", "second"))],
)
def test_audio_at_addresses_of_the_program(
    properties: Properties,
    double: ServiceDouble,
    uploaded: str,
    folder: bool,
    names: tuple[str, ...],
) -> None:
    files = [uploaded.replace("/?", f"/{name}.wav?") for name in names]
    addresses = (uploaded,) if folder else tuple(files)

    async def work(meetings: MeetingService) -> Transcript:
        await submit_addresses(meetings, *addresses)
        return await fetch(meetings)

    transcript = use(properties(storage_connection_string=""), work)
    seconds = {"first": 1, "second": 2}
    assert [u.text for u in transcript.utterances] == [
        f"A double heard {seconds[name]}.000 seconds." for name in names
    ]
    begins = seconds[names[0]] * 10_000_000
    assert [u.offset for u in transcript.utterances] == [1_000_000, begins + 1_000_000]
    assert [u.speaker for u in transcript.utterances] == [0, 1]
    assert transcript.duration == 30_000_000
    (job,) = double.jobs.values()
    assert ("contentContainerUrl" in job.body) == folder
    state = Path(properties()["state_dir"])
    assert not any(b"sig=" in file.read_bytes() for file in state.rglob("meetings*"))


@pytest.mark.parametrize(
    "addresses",
    [
        ("/a/file.wav",),
        ("ftp://host/a.wav",),
        ("https://a/b/", "https://a/c.wav"),
        ("https://a",) * 1001,
    ],
)
def test_invalid_addresses_are_refused(properties: Properties, addresses: tuple[str, ...]) -> None:
    request = MeetingRequest("m", mode=Mode.STORED, addresses=addresses)
    with pytest.raises(AudioError, match=r"address"):
        use(properties(), lambda meetings: meetings.open_session(request))


def test_audio_at_addresses_waits_again_after_its_deadline(
    properties: Properties, double: ServiceDouble, uploaded: str
) -> None:
    """There is no audio here, but the job was left at the service."""
    double.polls = None

    async def give_up(meetings: MeetingService) -> None:
        await submit_addresses(meetings, uploaded)
        with pytest.raises(MeetingFailedError, match="deadline_hours"):
            await fetch(meetings)

    async def go_on(meetings: MeetingService) -> Transcript:
        await meetings.resume("m")
        double.finish(double.submitted[0])
        return await fetch(meetings)

    use(properties(deadline_hours="0.000001"), give_up)
    assert len(use(properties(), go_on).utterances) == 2


@pytest.fixture
def stereo(tmp_path: Path) -> str:
    """Return the address of a stereo file."""
    path = tmp_path / "stereo.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SOUND * 2)
    return path.as_uri()


async def transcribe_address(address: str, parts: Parts, *, apart: bool) -> Transcript:
    """Transcribe the audio at an address, here also of a local file."""
    recording = await parts.record(b"", differentiate_speakers=apart)
    await parts.change(recording, addresses=(address,))
    while await parts.step(recording) is JobState.PROCESSING:
        pass
    return await parts.store.run(Store.transcript, recording)


@pytest.mark.parametrize("version", ["2025-10-15", "v3.2"])
def test_both_channels_of_stereo_audio_are_transcribed_without_diarization(
    run: Callable[..., Any], stereo: str, version: str
) -> None:
    transcript = run(partial(transcribe_address, stereo, apart=False), api_version=version)
    assert [u.channel for u in transcript.utterances] == [0, 1]


def test_a_channel_is_no_speaker_if_none_were_requested(
    run: Callable[..., Any], stereo: str
) -> None:
    transcript = run(partial(transcribe_address, stereo, apart=False))
    assert [u.speaker for u in transcript.utterances] == [None, None]
    assert transcript.provenance.emulated == ()


@pytest.mark.parametrize("version", ["2025-10-15", "v3.2"])
def test_the_error_for_stereo_audio_names_the_likely_cause_and_the_remedy(
    run: Callable[..., Any], stereo: str, version: str
) -> None:
    with pytest.raises(MeetingFailedError, match=r"invalid data.* several channels.* to mono"):
        run(partial(transcribe_address, stereo, apart=True), api_version=version)


def test_audio_at_addresses_whose_job_failed_is_not_resumed(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> None:
        await submit_addresses(meetings, "http://127.0.0.1:9/a.wav")
        with pytest.raises(MeetingFailedError, match="InvalidUri"):
            await fetch(meetings)
        with pytest.raises(MeetingFailedError, match="its audio is not here"):
            await meetings.resume("m")

    use(properties(), work)
