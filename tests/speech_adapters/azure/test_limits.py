from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from double.meetings import use, whole
from double.service import KEY, ServiceDouble
from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient, TokenAuth
from speech_adapters.azure.limits import AnswerLimits
from speech_adapters.errors import BackendError, SpeechError, TimedOutError

LIMITS = AnswerLimits(100_000, 60.0, 200_000, 60.0)
JSON = b'{"values": []}'
# Without the time, so that the names of tests are the same in all processes.
GZIPPED = gzip.compress(JSON, mtime=0)


def bomb(megabytes: int) -> bytes:
    packed = zlib.compressobj(9, wbits=31)
    zeros = bytes(1_000_000)
    return b"".join(packed.compress(zeros) for _ in range(megabytes)) + packed.flush()


def answer(
    *pieces: bytes, status: int = 200, encoding: str = "", endless: bool = False
) -> Callable[[httpx.Request], httpx.Response]:
    """Return a service that sends the pieces one by one."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece
        while endless:
            await anyio.sleep(0.01)
            yield b" "

    headers = {"content-encoding": encoding} if encoding else {}
    return lambda _: httpx.Response(status, headers=headers, content=stream())


def ask(
    service: Callable[[httpx.Request], httpx.Response],
    work: Callable[[ServiceClient], Any] | None = None,
    limits: AnswerLimits = LIMITS,
    auth: httpx.Auth | None = None,
) -> Any:
    async def run() -> Any:
        transport = httpx.MockTransport(service)
        client = ServiceClient(
            "https://host", auth or KeyAuth("k"), RetryPolicy(1), transport, limits
        )
        try:
            return await (work(client) if work else client.document("GET", "/x"))
        finally:
            await client.aclose()

    return anyio.run(run)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", JSON),
        ("identity", JSON),
        ("gzip", GZIPPED),
        ("GZIP", GZIPPED),
        ("deflate", zlib.compress(JSON)),
    ],
)
def test_an_answer_is_decompressed_whatever_its_pieces(encoding: str, body: bytes) -> None:
    for size in (1, 7, len(body)):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert ask(answer(*pieces, encoding=encoding))[0] == {"values": []}


@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_bomb_does_not_fill_the_memory(status: int) -> None:
    pieces = bomb(200)
    tracemalloc.start()
    try:
        with pytest.raises(BackendError, match=r"GET https://host/x has more than 0\.1 MB"):
            ask(answer(pieces, status=status, encoding="gzip"))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_before_a_new_token_does_not_fill_the_memory() -> None:
    class Provider:
        def token(self, refused: str = "") -> str:
            return "new" if refused else "old"

    auth = TokenAuth(Provider())  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="has more than"):
        ask(answer(bomb(20), status=401, encoding="gzip"), auth=auth)


def test_a_result_may_be_larger_than_a_document(tmp_path: Path) -> None:
    path = tmp_path / "result"
    ask(answer(bytes(150_000)), lambda client: client.download("https://s/r", path))
    assert path.stat().st_size == 150_000
    with pytest.raises(BackendError, match=r"has more than 0\.2 MB"):
        ask(answer(bytes(150_000), bytes(50_001)), lambda c: c.download("https://s/r", path))


def test_an_answer_that_never_ends_is_given_up() -> None:
    limits = AnswerLimits(document_seconds=0.1)
    with pytest.raises(TimedOutError, match=r"host has not answered GET completely in 0\.1 s"):
        ask(answer(JSON, endless=True), limits=limits)


def test_a_result_that_never_ends_is_given_up(tmp_path: Path) -> None:
    limits = AnswerLimits(result_seconds=0.1)
    with pytest.raises(TimedOutError, match=r"completely in 0\.1 s"):
        ask(
            answer(JSON, endless=True),
            lambda c: c.download("https://s/r", tmp_path / "r"),
            limits=limits,
        )


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("gzip", b"no gzip at all", "cannot be read: Error -3"),
        ("gzip", GZIPPED[:-9], "cannot be read: it ends too early"),
        ("br", JSON, "the compression br, which was not requested"),
        ("gzip, gzip", gzip.compress(GZIPPED, mtime=0), "the compression gzip, gzip"),
    ],
)
def test_a_compression_that_cannot_be_read_is_named(encoding: str, body: bytes, text: str) -> None:
    with pytest.raises(BackendError, match=text):
        ask(answer(body, encoding=encoding))


def test_what_follows_compressed_data_is_ignored() -> None:
    body = GZIPPED + bytes(500)
    assert ask(answer(body, encoding="gzip"))[0] == {"values": []}


def test_the_options_limit_results(tmp_path: Path, double: ServiceDouble) -> None:
    options = {"endpoint": double.url, "key": KEY, "result_megabytes": "0.0001"}
    properties = {f"backends.fast.{name}": value for name, value in options.items()}
    with pytest.raises(SpeechError, match=r"has more than 0\.0001 MB"):
        use({"backend": "fast", "state_dir": str(tmp_path), **properties}, whole)
