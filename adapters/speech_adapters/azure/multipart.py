"""Forms (multipart/form-data) that are read while they are sent, outside the event loop."""

from __future__ import annotations

import io
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Final, Protocol

import anyio
import attrs
from anyio.to_thread import run_sync

__all__ = ["FormPart", "MultipartForm", "Readable"]

_CHUNK_BYTES: Final = 256 * 1024


class Readable(Protocol):
    """A blocking source of bytes, such as a file opened for reading."""

    def read(self, size: int, /) -> bytes | None:
        """Return at most ``size`` bytes; nothing at the end."""

    def close(self) -> None:
        """Release the source."""


@attrs.frozen
class FormPart:
    """One field of a form.

    Attributes:
        name: the field's name.
        content_type: media type of the content.
        size: length of the content in bytes; :attr:`open` must return exactly as many.
        open: returns the content from its beginning; called in a worker thread, once for
            each attempt to send the form.
        filename: name of the file, or empty for a field that is no file.
    """

    name: str
    content_type: str
    size: int
    open: Callable[[], Readable]
    filename: str = ""

    @classmethod
    def from_bytes(cls, name: str, content_type: str, data: bytes) -> FormPart:
        """Return a field whose content is in memory."""
        return cls(name, content_type, len(data), lambda: io.BytesIO(data))


class MultipartForm:
    """Body of a request: iterate over it, then call :meth:`aclose`.

    Each iteration starts from the beginning, because a request may be sent several times.

    Args:
        parts: the fields in the order in which they are sent.
        limiter: limits the worker threads that read the content.
    """

    def __init__(
        self, parts: Sequence[FormPart], limiter: anyio.CapacityLimiter | None = None
    ) -> None:
        self._parts = tuple(parts)
        self._limiter = limiter
        self._boundary = secrets.token_hex(16)
        # The HTTP client abandons an iteration if the service answers before the end.
        self._iterations: list[AsyncGenerator[bytes]] = []

    @property
    def headers(self) -> dict[str, str]:
        """Headers that describe the body, with its length: not every proxy accepts chunks."""
        parts = sum(len(self._header(part)) + part.size + len(b"\r\n") for part in self._parts)
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(parts + len(self._end)),
        }

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the chunks of the body, from its beginning."""
        chunks = self._chunks()
        self._iterations.append(chunks)
        return chunks

    async def aclose(self) -> None:
        """Close the files of iterations that did not reach the end.  Idempotent."""
        while self._iterations:
            await self._iterations.pop().aclose()

    @property
    def _end(self) -> bytes:
        return f"--{self._boundary}--\r\n".encode()

    def _header(self, part: FormPart) -> bytes:
        filename = f'; filename="{part.filename}"' if part.filename else ""
        return (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="{part.name}"{filename}\r\n'
            f"Content-Type: {part.content_type}\r\n\r\n"
        ).encode()

    async def _chunks(self) -> AsyncGenerator[bytes]:
        for part in self._parts:
            yield self._header(part)
            source = await run_sync(part.open, limiter=self._limiter)
            try:
                while chunk := await run_sync(source.read, _CHUNK_BYTES, limiter=self._limiter):
                    yield chunk
            finally:
                # A canceled request must close the file too.
                with anyio.CancelScope(shield=True):
                    await run_sync(source.close, limiter=self._limiter)
            yield b"\r\n"
        yield self._end
