"""Incremental decoding of an audio stream into 16-bit PCM."""

from __future__ import annotations

import io
from typing import Final

from speech_adapters.audio.pcm import PcmFormat, SourceFormat, to_pcm16
from speech_adapters.audio.wav import MAGIC, read_header
from speech_adapters.errors import AudioError

__all__ = ["StreamDecoder"]

_STREAM: Final = "The audio stream"
_HEADER_LIMIT: Final = 8 * 1024 * 1024


class StreamDecoder:
    """Turns a program's stream, in pieces of any size, into whole frames of 16-bit PCM.

    Where the stream begins with a WAV header, the header is taken out and its
    format holds instead of the declared one.  All that follows the header is
    audio: the size it announces is not trusted, since a program that streams
    often does not know it.

    Args:
        source: the format the program declared.
    """

    def __init__(self, source: SourceFormat) -> None:
        self._source = source
        self._head: bytearray | None = bytearray()  # None once it is decided
        self._rest = b""

    @property
    def pcm(self) -> PcmFormat:
        """The format of what :meth:`decode` gives: as declared until a header says otherwise."""
        return self._source.pcm

    def decode(self, data: bytes) -> bytes:
        """Take the next piece; gives the frames that are complete by now, maybe none.

        Raises:
            AudioError: the stream begins with a WAV header that cannot be used.
        """
        if self._head is not None:
            self._head += data
            data = self._decide()
        if self._rest:
            data = self._rest + data
        extra = len(data) % self._source.frame_bytes
        self._rest = data[-extra:] if extra else b""
        return to_pcm16(data[:-extra] if extra else data, self._source)

    def finish(self) -> bytes:
        """Give what was held back; an incomplete frame at the very end is dropped.

        Raises:
            AudioError: the stream ended inside its WAV header.
        """
        if self._head is None:
            return b""
        head, self._head = bytes(self._head), None
        if len(head) >= 12:  # noqa: PLR2004
            raise AudioError(f"{_STREAM} ends inside its WAV header: it is cut short.")
        return self.decode(head)

    def _decide(self) -> bytes:
        """Give the audio held back so far, once it is clear where the audio begins."""
        head = self._head or bytearray()
        if not _may_be_wav(head):
            self._head = None
            return bytes(head)
        file = io.BytesIO(head)
        header = read_header(file, _STREAM)
        if header is None:
            if len(head) > _HEADER_LIMIT:
                raise AudioError(f"{_STREAM} has a WAV header of more than 8 MiB: it is damaged.")
            return b""
        self._source, self._head = header.source, None
        return file.read()


def _may_be_wav(head: bytearray) -> bool:
    begins = any(magic.startswith(bytes(head[:4])) for magic in MAGIC)
    return begins and b"WAVE".startswith(bytes(head[8:12]))
