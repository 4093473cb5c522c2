"""A recording as a mono WAV that is read while it is sent, never held as a whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.audio.wav import wav_header

__all__ = ["MonoWav"]


class MonoWav(io.RawIOBase):
    """The first ``size`` bytes of a spool file, as a file to read.

    Its two ends can be sought, so that a form can tell its length.
    """

    def __init__(self, audio: Path, size: int, pcm: PcmFormat, downmix: str) -> None:
        super().__init__()
        whole = size - size % pcm.frame_bytes
        self._pcm = pcm
        self._downmix = downmix
        self._whole = whole
        self._header = wav_header(whole // pcm.channels, pcm.sample_rate)
        self._left = whole
        self._ready = self._header
        self._place = 0
        self._file = audio.open("rb")

    def readable(self) -> bool:
        """Give true."""
        return True

    def seekable(self) -> bool:
        """Give true: its ends can be sought."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with what comes next; gives how much it is."""
        view = memoryview(buffer)
        if not self._ready:
            self._ready = self._next(max(len(view) // 2, 1))
        given = self._ready[: len(view)]
        self._ready = self._ready[len(given) :]
        view[: len(given)] = given
        self._place += len(given)
        return len(given)

    def tell(self) -> int:
        """Give the place."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an end."""
        if (offset, whence) == (0, io.SEEK_END):
            self._place = len(self._header) + self._whole // self._pcm.channels
            self._ready, self._left = b"", 0
        elif (offset, whence) == (0, io.SEEK_SET):
            self._file.seek(0)
            self._ready, self._left, self._place = self._header, self._whole, 0
        else:
            raise io.UnsupportedOperation("only the two ends can be sought")
        return self._place

    def close(self) -> None:
        """Close the file.  Idempotent."""
        self._file.close()
        super().close()

    def _next(self, frames: int) -> bytes:
        data = self._file.read(min(frames * self._pcm.frame_bytes, self._left))
        self._left -= len(data)
        return mix_down(data, self._pcm.channels, self._downmix) if data else b""
