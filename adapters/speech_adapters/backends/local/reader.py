"""The audio of a recording in blocks, to its end, also while its file still grows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.recording.spool import SpoolReader

__all__ = ["BlockReader"]

_BLOCK_SECONDS: Final = 0.1


class BlockReader:
    """Iterates over blocks of mono 16-bit PCM.

    Args:
        spool: the reader of the file.
        pcm: the format of the file.
        downmix: how its channels become one, see :func:`speech_adapters.audio.mix_down`.
        wait_for_audio: called at the present end of the file with the number of bytes read.
            Returns the size of the whole recording once it is known, and ``None`` when
            the file has grown.

    Attributes:
        size: bytes of the file that were yielded so far, in whole frames.
    """

    def __init__(
        self,
        spool: SpoolReader,
        pcm: PcmFormat,
        downmix: str,
        wait_for_audio: Callable[[int], int | None],
    ) -> None:
        self._spool = spool
        self._pcm = pcm
        self._downmix = downmix
        self._wait_for_audio = wait_for_audio
        # At least one frame: the rate comes from a stored recording, and from a block of no
        # bytes the loop below would never come to the end.
        self._block = max(int(_BLOCK_SECONDS * pcm.sample_rate), 1) * pcm.frame_bytes
        self.size = 0

    @property
    def seconds(self) -> float:
        """Seconds of audio that were yielded so far."""
        return self.size / self._pcm.bytes_per_second

    def __iter__(self) -> Iterator[bytes]:
        rest, whole = b"", None
        while True:
            rest += self._spool.read(self._block - len(rest))
            full = len(rest) == self._block
            # Not "==": a last half frame is part of the size, but is never yielded.
            at_end = whole is not None and self.size + len(rest) >= whole
            if full or at_end:
                yield from self._frames(rest)
                rest = b""
            if at_end:
                return
            if not full and whole is None:
                whole = self._wait_for_audio(self.size + len(rest))
            elif not full:
                # The file is shorter than announced: a full disk cut it off.
                yield from self._frames(rest)
                return

    def _frames(self, raw: bytes) -> Iterator[bytes]:
        """Yield the whole frames, mixed down; half a frame can only be the file's last."""
        frames = raw[: len(raw) - len(raw) % self._pcm.frame_bytes]
        if frames:
            self.size += len(frames)
            yield mix_down(frames, self._pcm.channels, self._downmix)
