"""The audio of a recording in blocks, to its end, also while it still grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.recording.spool import SpoolReader

__all__ = ["Feed"]

_BLOCK_SECONDS: Final = 0.1


class Feed:
    """Iterates over mono 16-bit PCM.

    Args:
        spool: where to read.
        pcm: the format of what is read.
        downmix: how its channels become one.
        wait: called with the bytes read so far when there is nothing more just now;
            gives the size of the whole recording once known, ``None`` to look again.
    """

    def __init__(
        self, spool: SpoolReader, pcm: PcmFormat, downmix: str, wait: Callable[[int], int | None]
    ) -> None:
        self._spool = spool
        self._pcm = pcm
        self._downmix = downmix
        self._wait = wait
        self._block = int(_BLOCK_SECONDS * pcm.sample_rate) * pcm.frame_bytes
        self.size = 0

    @property
    def seconds(self) -> float:
        """Seconds of audio given so far."""
        return self.size / self._pcm.bytes_per_second

    def __iter__(self) -> Iterator[bytes]:
        rest, whole = b"", None
        while True:
            rest += self._spool.read(self._block - len(rest))
            full = len(rest) == self._block
            at_end = whole is not None and self.size + len(rest) >= whole
            if full or at_end:
                yield from self._give(rest)
                rest = b""
            if at_end:
                return
            if not full and whole is None:
                whole = self._wait(self.size + len(rest))
            elif not full:  # the file is shorter than announced: what is there is given
                yield from self._give(rest)
                return

    def _give(self, raw: bytes) -> Iterator[bytes]:
        frames = raw[: len(raw) - len(raw) % self._pcm.frame_bytes]
        if frames:
            self.size += len(frames)
            yield mix_down(frames, self._pcm.channels, self._downmix)
