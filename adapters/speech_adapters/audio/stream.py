"""Incremental decoding of an audio stream into 16-bit PCM."""

from __future__ import annotations

import io
from typing import Final

from speech_adapters.audio.pcm import PcmFormat, SourceFormat, to_pcm16
from speech_adapters.audio.wav import MAGIC, read_header
from speech_adapters.errors import AudioError

__all__ = ["StreamDecoder"]

_STREAM: Final = "The audio stream"
# Real headers, metadata included, are far smaller.  A damaged one may announce a chunk
# of 4 GiB, which must not be buffered.
_HEADER_LIMIT: Final = 8 * 1024 * 1024


class StreamDecoder:
    """Converts a stream, in pieces of any size, to whole frames of 16-bit PCM.

    A WAV header at the start of the stream is removed, and its format replaces
    the declared one.  All bytes after the header are audio.  The size in the
    header is ignored, because a streaming program often does not know it.

    Args:
        source: the format that the program declared.
    """

    def __init__(self, source: SourceFormat) -> None:
        self._source = source
        # The start of the stream, until it is clear whether it is a header; then None.
        self._head: bytearray | None = bytearray()
        self._rest = b""  # the incomplete frame at the end of the last piece

    @property
    def pcm(self) -> PcmFormat:
        """The format that :meth:`decode` returns: as declared until a header changes it."""
        return self._source.pcm

    def decode(self, data: bytes) -> bytes:
        """Decode the next piece; returns the complete frames so far, possibly none.

        Raises:
            AudioError: the stream begins with a WAV header that cannot be used.
        """
        if self._head is not None:
            self._head += data
            data = self._skip_header()
        # Pieces usually end with a frame: then nothing is copied.
        if self._rest:
            data = self._rest + data
        extra = len(data) % self._source.frame_bytes
        self._rest = data[-extra:] if extra else b""
        return to_pcm16(data[:-extra] if extra else data, self._source)

    def finish(self) -> bytes:
        """Return the audio held back; an incomplete frame at the end is dropped.

        Raises:
            AudioError: the stream ended inside its WAV header.
        """
        if self._head is None:
            return b""
        head, self._head = bytes(self._head), None
        # Twelve bytes identify a WAV header; fewer are audio that only resembles one.
        if len(head) >= 12:  # noqa: PLR2004
            raise AudioError(
                f"{_STREAM} ends inside its WAV header: it is cut short. Send it whole."
            )
        return self.decode(head)

    def _skip_header(self) -> bytes:
        """Return the audio held back once its start is known, else nothing."""
        head = self._head or bytearray()
        if not _may_be_wav(head):
            self._head = None
            return bytes(head)
        file = io.BytesIO(head)
        header = read_header(file, _STREAM)
        if header is None:
            if len(head) > _HEADER_LIMIT:
                raise AudioError(
                    f"{_STREAM} has a WAV header of more than 8 MiB: it is damaged. Send PCM"
                    " without a header."
                )
            return b""
        self._source, self._head = header.source, None
        return file.read()


def _may_be_wav(head: bytearray) -> bool:
    begins = any(magic.startswith(bytes(head[:4])) for magic in MAGIC)
    return begins and b"WAVE".startswith(bytes(head[8:12]))
