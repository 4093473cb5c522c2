from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.responses import JSONResponse

from double.service import KEY, Fault, ServiceDouble
from speech_adapters import Backend, MeetingRequest, Mode, PcmFormat, Transcript
from speech_adapters.config import load_settings
from speech_adapters.errors import ConfigurationError
from speech_adapters.registry import create_backend, meeting_backend

SOUND = b"\x01\x00" * 32_000  # two seconds of one channel


@pytest.fixture
def properties(tmp_path: Path, storage: str, double: ServiceDouble) -> dict[str, str]:
    return {
        "backend": "auto",
        "state_dir": str(tmp_path / "state"),
        "service.endpoint": double.url,
        "service.key": KEY,
        "backends.batch.storage_connection_string": storage,
        "backends.batch.poll_seconds": "0",
    }


def whole(properties: dict[str, str], pcm: PcmFormat) -> Transcript:
    async def record(backend: Backend) -> None:
        session = await backend.open_session(MeetingRequest("m", mode=Mode.STORED, audio=pcm))
        await session.push(SOUND)
        await session.finish()
        await session.aclose()

    async def fetch(backend: Backend) -> Transcript:
        with anyio.fail_after(30):
            while not (await backend.status("m")).state.final:
                pass
        return await backend.transcript("m")

    settings = load_settings(properties)
    run(lambda: create_backend(settings), record)
    transcript: Transcript = run(lambda: meeting_backend(settings, "m"), fetch)
    return transcript


def run(make: Callable[[], Backend], work: Callable[[Backend], Awaitable[Any]]) -> Any:
    async def closing() -> Any:
        backend = make()
        try:
            return await work(backend)
        finally:
            await backend.aclose()

    return anyio.run(closing)


@pytest.mark.parametrize(
    ("changes", "channels", "chosen"),
    [
        ({}, 1, "fast"),
        ({}, 8, "fast"),
        ({"auto.fast_minutes": str(1.9 / 60)}, 1, "batch"),
        ({"auto.fast_minutes": str(2.0 / 60)}, 1, "fast"),
        ({"auto.fast_megabytes": "0.063"}, 1, "batch"),
        ({"auto.fast_megabytes": "0.063"}, 2, "fast"),
        ({"batch.channels": "split"}, 2, "batch"),
        ({"batch.channels": "split"}, 1, "fast"),
    ],
)
def test_who_transcribes(
    properties: dict[str, str],
    double: ServiceDouble,
    changes: dict[str, str],
    channels: int,
    chosen: str,
) -> None:
    changed = {f"backends.{name}": value for name, value in changes.items()}
    transcript = whole({**properties, **changed}, PcmFormat(channels=channels))
    assert transcript.provenance.backend == chosen
    assert len(transcript.utterances) >= 1
    assert (len(double.definitions), len(double.submitted)) == (
        (1, 0) if chosen == "fast" else (0, 1)
    )


@pytest.mark.parametrize(
    "refusal",
    [
        JSONResponse({"code": "InvalidRequest", "message": "too large"}, 413),
        JSONResponse({"error": {"code": "AudioLengthLimitExceeded", "message": "long"}}, 400),
    ],
)
def test_what_fast_finds_too_large_goes_to_batch(
    properties: dict[str, str], double: ServiceDouble, refusal: JSONResponse
) -> None:
    double.faults = [Fault(":transcribe", refusal)]
    assert whole(properties, PcmFormat()).provenance.backend == "batch"
    assert len(double.submitted) == 1


def test_audio_at_addresses_is_for_batch(properties: dict[str, str], double: ServiceDouble) -> None:
    address = "https://127.0.0.1/a.wav"

    async def work(backend: Backend) -> None:
        request = MeetingRequest("m", mode=Mode.STORED, addresses=(address,))
        session = await backend.open_session(request)
        await session.finish()
        await session.aclose()

    run(lambda: create_backend(load_settings(properties)), work)
    (job,) = double.jobs.values()
    assert job.body["contentUrls"] == [address]


def test_it_needs_what_both_need(properties: dict[str, str]) -> None:
    lacking = {**properties, "backends.batch.storage_connection_string": ""}
    with pytest.raises(ConfigurationError, match=r"backends.batch.storage_connection_string"):
        create_backend(load_settings(lacking))
