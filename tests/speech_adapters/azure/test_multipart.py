from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from double.service import KEY, Fault, ServiceDouble
from speech_adapters.audio import PcmFormat
from speech_adapters.azure.credentials import Credentials, TokenProvider
from speech_adapters.azure.http import KeyAuth, RejectedError, RetryPolicy, ServiceClient, TokenAuth
from speech_adapters.azure.multipart import FormPart, MultipartForm, Readable
from speech_adapters.backends.fast.audio import MonoWav

PCM = PcmFormat(16_000, 2)
FRAMES = 320_000  # 20 seconds, more than one chunk
SIZE = 44 + FRAMES * 2
DEFINITION = json.dumps({"locales": ["en-US"]}).encode()


class Source(io.BytesIO):
    """A file that records the threads in which it is used."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.threads = {threading.get_ident()}

    def read(self, size: int | None = -1, /) -> bytes:
        self.threads.add(threading.get_ident())
        return super().read(size)

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        super().close()


async def collect(form: MultipartForm) -> bytes:
    return b"".join([chunk async for chunk in form])


@pytest.mark.parametrize("size", [0, 1, 262_144, 600_000])
def test_the_length_that_is_announced_is_the_length_of_the_body(size: int) -> None:
    form = MultipartForm(
        [
            FormPart.from_bytes("definition", "application/json", DEFINITION),
            FormPart("audio", "audio/wav", size, lambda: io.BytesIO(b"x" * size), "audio.wav"),
        ]
    )
    first, second = anyio.run(collect, form), anyio.run(collect, form)
    assert len(first) == int(form.headers["Content-Length"])
    assert first == second


def test_the_content_is_opened_read_and_closed_outside_the_event_loop() -> None:
    sources: list[Source] = []

    def open_source() -> Readable:
        sources.append(Source(b"x" * 600_000))
        return sources[-1]

    form = MultipartForm([FormPart("audio", "audio/wav", 600_000, open_source)])
    anyio.run(collect, form)
    (source,) = sources
    assert source.closed
    assert threading.get_ident() not in source.threads


def test_an_iteration_that_is_abandoned_closes_its_file() -> None:
    sources: list[Source] = []

    def open_source() -> Readable:
        sources.append(Source(b"x" * 600_000))
        return sources[-1]

    async def abandon() -> None:
        form = MultipartForm([FormPart("audio", "audio/wav", 600_000, open_source)])
        chunks = aiter(form)
        await anext(chunks)  # the part's header
        await anext(chunks)
        with anyio.CancelScope() as scope:
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await form.aclose()
        assert sources[0].closed
        await form.aclose()

    anyio.run(abandon)


def test_a_canceled_read_closes_its_file() -> None:
    sources: list[Source] = []

    def open_source() -> Readable:
        sources.append(Source(b"x" * 600_000))
        return sources[-1]

    async def cancel() -> None:
        form = MultipartForm([FormPart("audio", "audio/wav", 600_000, open_source)])
        with anyio.CancelScope() as scope:
            async for chunk in form:
                if b"x" in chunk:
                    scope.cancel()

    anyio.run(cancel)
    assert sources[0].closed


def test_the_limiter_limits_the_threads_that_read() -> None:
    async def run() -> set[int]:
        limiter = anyio.CapacityLimiter(1)
        borrowed: set[int] = set()

        class Counted(Source):
            def read(self, size: int | None = -1, /) -> bytes:
                borrowed.add(limiter.statistics().borrowed_tokens)
                return super().read(size)

        part = FormPart("audio", "audio/wav", 10, lambda: Counted(b"x" * 10))
        await collect(MultipartForm([part], limiter))
        return borrowed

    assert anyio.run(run) == {1}


# Sent to the service


@pytest.fixture
def form(tmp_path: Path) -> MultipartForm:
    """Return the form of the fast service with a recording of 20 seconds."""
    audio = tmp_path / "audio.pcm"
    audio.write_bytes(b"\x01\x00\x03\x00" * FRAMES)
    wav = FormPart(
        "audio", "audio/wav", SIZE, lambda: MonoWav(audio, FRAMES * 4, PCM, "auto"), "audio.wav"
    )
    return MultipartForm([FormPart.from_bytes("definition", "application/json", DEFINITION), wav])


@pytest.fixture
def send(
    double: ServiceDouble, form: MultipartForm, tmp_path: Path
) -> Callable[[KeyAuth | TokenAuth], str]:
    """Send the form; return the answer, which is written to a file."""
    path = tmp_path / "answer.json"

    async def run(auth: KeyAuth | TokenAuth) -> str:
        client = ServiceClient(f"{double.url}/speechtotext", auth, RetryPolicy(first=0.0))
        try:
            response = await client.request(
                "POST",
                "/transcriptions:transcribe",
                params={"api-version": "2025-10-15"},
                form=form,
                save_to=path,
            )
        finally:
            await client.aclose()
        assert response.status_code == 200
        return path.read_text(encoding="utf-8")

    return lambda auth: anyio.run(run, auth)


@pytest.mark.parametrize("faults", [0, 2])
def test_the_service_reads_the_form_whole_in_every_attempt(
    double: ServiceDouble, send: Callable[[KeyAuth | TokenAuth], str], faults: int
) -> None:
    double.faults = [Fault("transcribe", PlainTextResponse("busy", 503), faults)]
    assert json.loads(send(KeyAuth(KEY)))["durationMilliseconds"] == 20_000
    assert double.definitions == [{"locales": ["en-US"]}]
    assert double.transcribed_seconds == 20.0


@pytest.mark.parametrize("status", [307, 400])
def test_a_refusal_is_read_although_the_answer_goes_to_a_file(
    double: ServiceDouble, send: Callable[[KeyAuth | TokenAuth], str], tmp_path: Path, status: int
) -> None:
    body = {"code": "InvalidLocale", "message": "There is no such locale."}
    double.faults = [Fault("transcribe", JSONResponse(body, status))]
    with pytest.raises(RejectedError, match=rf"{status} InvalidLocale\): There is no such locale"):
        send(KeyAuth(KEY))
    assert not (tmp_path / "answer.json").exists()


def test_the_form_is_sent_whole_with_another_token(
    double: ServiceDouble, send: Callable[[KeyAuth | TokenAuth], str]
) -> None:
    double.accepted = {"Bearer good"}
    left = ["stale", "good"]
    provider = TokenProvider(Credentials(token=lambda: left.pop(0)))
    assert json.loads(send(TokenAuth(provider)))["durationMilliseconds"] == 20_000
    assert double.credentials == ["Bearer stale", "Bearer good"]
