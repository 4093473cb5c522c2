from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse

from double.service import KEY, Fault, ServiceDouble
from speech_adapters import Backend, JobState, MeetingRequest, Mode
from speech_adapters.config import load_settings
from speech_adapters.errors import AuthenticationError, MeetingFailedError, UnavailableError
from speech_adapters.registry import create_backend

SOUND = b"\x01\x00" * 16_000
SEND = r"POST .*:transcribe"


@pytest.fixture
def use(double: ServiceDouble, tmp_path: Path) -> Callable[..., Any]:
    def run(work: Callable[[Backend], Awaitable[Any]], key: str = KEY) -> Any:
        properties = {
            "backend": "fast",
            "state_dir": str(tmp_path / "state"),
            "backends.fast.endpoint": double.url,
            "backends.fast.key": key,
            "backends.fast.retry_seconds": "0",
        }

        async def closing() -> Any:
            backend = create_backend(load_settings(properties))
            try:
                return await work(backend)
            finally:
                await backend.aclose()

        return anyio.run(closing)

    return run


async def record(backend: Backend, **asked: Any) -> None:
    session = await backend.open_session(MeetingRequest("m", mode=Mode.STORED, **asked))
    try:
        await session.push(SOUND)
        await session.finish()
    finally:
        await session.aclose()


def test_diarization_is_really_switched_on(use: Callable[..., Any], double: ServiceDouble) -> None:
    async def work(backend: Backend) -> Any:
        await record(backend, max_speakers=4, language="de-DE")
        return await backend.transcript("m")

    (said,) = use(work).utterances
    assert said.speaker == 0
    assert double.definitions == [
        {"locales": ["de-DE"], "diarization": {"enabled": True, "maxSpeakers": 4}}
    ]


def test_nobody_is_told_apart_where_nobody_asked(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    use(lambda backend: record(backend, differentiate_speakers=False))
    assert double.definitions == [{"locales": ["en-US"]}]


@pytest.mark.parametrize("times", [1, 3])
def test_a_second_attempt_sends_the_audio_whole(
    use: Callable[..., Any], double: ServiceDouble, times: int
) -> None:
    double.faults = [Fault(SEND, PlainTextResponse("busy", 503), times)]

    async def work(backend: Backend) -> Any:
        await record(backend)
        return await backend.transcript("m")

    assert use(work).utterances[0].text == "A double heard 1.000 seconds."
    assert double.heard_seconds == 1.0


def test_what_may_pass_keeps_the_meeting_for_later(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    double.faults = [Fault(SEND, PlainTextResponse("busy", 503), times=5)]

    async def work(backend: Backend) -> JobState:
        with pytest.raises(UnavailableError, match="Nothing is lost"):
            await record(backend)
        return (await backend.status("m")).state

    assert use(work) is JobState.COMPLETED


def test_what_will_not_pass_fails_the_meeting_with_the_services_words(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    words = {"code": "InvalidLocale", "message": "The specified locale is not supported."}
    body = {"code": "InvalidArgument", "message": "outer", "innerError": words}
    double.faults = [Fault(SEND, JSONResponse(body, 400))]

    async def work(backend: Backend) -> None:
        await record(backend)
        with pytest.raises(MeetingFailedError, match=r"400 InvalidLocale\): The specified locale"):
            await backend.transcript("m")

    use(work)


def test_a_wrong_key_keeps_the_audio(use: Callable[..., Any], double: ServiceDouble) -> None:
    with pytest.raises(AuthenticationError):
        use(record, key="wrong")

    async def later(backend: Backend) -> JobState:
        return (await backend.status("m")).state

    assert use(later) is JobState.COMPLETED


def test_an_answer_that_is_no_result_is_told(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    double.faults = [Fault(SEND, HTMLResponse("<html>"))]
    with pytest.raises(Exception, match="is no transcription result"):
        use(record)
