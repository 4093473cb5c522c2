"""Compressed files, which are sent as they are where that is possible."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from double.encoded import encode, tone
from double.meetings import run
from double.service import KEY, Fault, ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode, Transcript
from speech_adapters.backends.fast.backend import FastBackend
from speech_adapters.config import load_settings
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.original import SENT_AS_IT_IS

UNUSED = "DefaultEndpointsProtocol=http;AccountName=unused;AccountKey=a2V5;"
SEND = r"POST .*:transcribe"
Use = Callable[..., Any]


@pytest.fixture
def use(double: ServiceDouble, tmp_path: Path) -> Use:
    def configured(work: Callable[[MeetingService], Awaitable[Any]], backend: str = "fast") -> Any:
        properties = {
            "backend": backend,
            "state_dir": str(tmp_path / "state"),
            "backends.fast.endpoint": double.url,
            "backends.fast.key": KEY,
            "backends.fast.retry_seconds": "0",
            "backends.batch.endpoint": double.url,
            "backends.batch.key": KEY,
            "backends.batch.storage_connection_string": UNUSED,
        }
        return run(load_settings(properties), work)

    return configured


async def transcribe(meetings: MeetingService, file: Path) -> Transcript:
    session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
    async with session:
        await session.push(tone(10))
        await meetings.keep_original("m", file)
        await session.finish()
    while not (await meetings.status("m")).state.final:
        pass
    return await meetings.transcript("m")


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp3"
    path.write_bytes(encode(tone(10), "mp3"))
    return path


@pytest.mark.parametrize("backend", ["fast", "auto"])
def test_the_file_is_sent_as_it_is(
    use: Use, double: ServiceDouble, mp3: Path, tmp_path: Path, backend: str
) -> None:
    transcript = use(lambda meetings: transcribe(meetings, mp3), backend)
    (upload,) = double.uploads
    assert upload == ("audio.mp3", "audio/mpeg", mp3.read_bytes())
    assert transcript.utterances[0].text.startswith("A double heard 10.0")
    assert transcript.provenance.notes == (SENT_AS_IT_IS,)
    assert not list((tmp_path / "state").rglob("*.original*"))


def test_a_file_that_the_service_refuses_is_sent_as_wav(
    use: Use, double: ServiceDouble, mp3: Path, tmp_path: Path
) -> None:
    words = {"code": "InvalidAudioFormat", "message": "The audio format is not supported."}
    body = {"code": "InvalidArgument", "message": "outer", "innerError": words}
    double.faults = [Fault(SEND, JSONResponse(body, 400))]
    transcript = use(lambda meetings: transcribe(meetings, mp3))
    assert [name for name, _, _ in double.uploads] == ["audio.wav"]
    assert transcript.utterances[0].text == "A double heard 10.000 seconds."
    assert transcript.provenance.notes == ()


def test_a_refusal_of_the_wav_too_is_final(use: Use, double: ServiceDouble, mp3: Path) -> None:
    body = {"code": "InvalidArgument", "message": "The locale is not supported."}
    double.faults = [Fault(SEND, JSONResponse(body, 400), times=1_000)]

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
        async with session:
            await session.push(tone(10))
            await meetings.keep_original("m", mp3)
            await session.finish()
        assert (await meetings.status("m")).state is JobState.FAILED
        assert len([line for line in double.requests if ":transcribe" in line]) == 2

    use(work)


def test_a_backend_that_sends_no_files_keeps_none(
    use: Use, double: ServiceDouble, mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FastBackend, "sends_originals", False)
    use(lambda meetings: transcribe(meetings, mp3))
    assert [name for name, _, _ in double.uploads] == ["audio.wav"]
