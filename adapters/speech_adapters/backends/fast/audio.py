"""A recording as a mono WAV file that is read while it is sent, never held as a whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.audio.wav import wav_header
from speech_adapters.recording.spool import SpoolReader

__all__ = ["MonoWav", "mono_size"]


def mono_size(size: int, pcm: PcmFormat) -> int:
    """Return the length in bytes of the mono WAV file of ``size`` bytes of audio."""
    header = wav_header(0, pcm.sample_rate)
    return len(header) + pcm.mono_bytes(size)


class MonoWav(io.RawIOBase):
    """The first ``size`` bytes of a spool file as a mono WAV file, read from the beginning.

    Args:
        audio: the spool file.
        size: how many bytes of it are sent; part of a sample frame at the end is left out.
        pcm: its format.
        downmix: how several channels become one.

    Raises:
        StoreError: the spool file cannot be read, also while reading.
    """

    def __init__(self, audio: Path, size: int, pcm: PcmFormat, downmix: str) -> None:
        super().__init__()
        self._pcm = pcm
        self._downmix = downmix
        # The spool may be longer than the size in the store.
        self._left = size - size % pcm.frame_bytes
        self._ready = wav_header(pcm.mono_bytes(size), pcm.sample_rate)
        self._spool = SpoolReader(audio)

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with the next bytes; return how many they are."""
        view = memoryview(buffer)
        if not self._ready:
            # Half as many frames as there are bytes, since a sample has two.
            self._ready = self._next(max(len(view) // 2, 1))
        part = self._ready[: len(view)]
        self._ready = self._ready[len(part) :]
        view[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Close the file.  Idempotent."""
        # Python also closes an object whose constructor could not open the file.
        if hasattr(self, "_spool"):
            self._spool.close()
        super().close()

    def _next(self, frames: int) -> bytes:
        data = self._spool.read(min(frames * self._pcm.frame_bytes, self._left))
        self._left -= len(data)
        return mix_down(data, self._pcm.channels, self._downmix) if data else b""
