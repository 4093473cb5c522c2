"""Limits of an answer: time, and size after decompression.

A service, or a proxy before it, may send an answer that never ends, byte by byte, or 400 KiB
of gzip that become 400 MiB.  Without limits one such answer would stop a meeting for ever, or
take all memory of the program.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import attrs
import httpx

from speech_adapters.azure.http_errors import quoted, target
from speech_adapters.errors import BackendError

__all__ = ["AnswerLimits", "bound_answer", "size_limit"]

_MEGABYTE: Final = 1_000_000
_EXTENSION: Final = "speech_adapters.size_limit"
_REFUSAL_BYTES: Final = 8 * _MEGABYTE
# The decompressor returns at most so much at a time, so a bomb never becomes large.
_STEP_BYTES: Final = 1024 * 1024
# zlib's own form or that of gzip, by the first bytes.
_ANY_HEADER: Final = 32 + zlib.MAX_WBITS


@attrs.frozen
class AnswerLimits:
    """What a client accepts.

    Attributes:
        document_bytes: size of a document, which is in memory: a job, a page of a list.
        document_seconds: time from the request to the end of a document.
        result_bytes: size of a result, which is written to a file.
        result_seconds: time of a request that has audio or a result.
    """

    document_bytes: int = 64 * _MEGABYTE
    document_seconds: float = 300.0
    result_bytes: int = 2048 * _MEGABYTE
    result_seconds: float = 3600.0


def size_limit(size: int) -> dict[str, Any]:
    """Return the extensions of a request whose answer may have ``size`` bytes."""
    return {_EXTENSION: size}


async def bound_answer(response: httpx.Response) -> None:
    """Limit the size of an answer to that in its request: a hook of httpx.

    The answer is decompressed here and not by httpx, which decompresses as much as arrives:
    1000 times the size for gzip, and without any bound for the formats of other packages.

    Raises:
        BackendError: the answer has a compression that was not requested.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise BackendError(
            f"{target(response)} was answered with the compression {quoted(encoding, 100)},"
            " which was not requested. Check the endpoint, and proxies before it."
        )
    response.headers.pop("content-encoding", None)
    assert isinstance(response.stream, httpx.AsyncByteStream), "the client is asynchronous"
    limit = response.request.extensions[_EXTENSION]
    if not response.is_success:  # even of a result it is a document, and read into memory
        limit = min(limit, _REFUSAL_BYTES)
    response.stream = _Bounded(
        response.stream, encoding != "identity", limit, subject=target(response)
    )


class _Bounded(httpx.AsyncByteStream):
    """The decompressed content of an answer; an error once it is too large."""

    def __init__(
        self, stream: httpx.AsyncByteStream, compressed: bool, limit: int, subject: str
    ) -> None:
        self._stream = stream
        self._decompressor = zlib.decompressobj(_ANY_HEADER) if compressed else None
        self._limit = limit
        self._subject = subject

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for raw in self._stream:
            for data in self._decompress(raw):
                size += len(data)
                if size > self._limit:
                    raise BackendError(
                        f"The answer to {self._subject} has more than"
                        f" {self._limit / _MEGABYTE:g} MB: it is not read. Check the endpoint."
                    )
                yield data
        if self._decompressor is not None and size and not self._decompressor.eof:
            raise self._damaged("it ends too early")

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _decompress(self, data: bytes) -> Iterator[bytes]:
        found = self._decompressor
        if found is None:
            yield data
            return
        # What follows the end of the compressed data is ignored, as browsers do.
        while data and not found.eof:
            try:
                yield found.decompress(data, _STEP_BYTES)
            except zlib.error as error:
                raise self._damaged(str(error)) from None
            data = found.unconsumed_tail

    def _damaged(self, reason: str) -> BackendError:
        return BackendError(
            f"The compressed answer to {self._subject} cannot be read: {reason}. Nothing is"
            " lost: ask again later."
        )
