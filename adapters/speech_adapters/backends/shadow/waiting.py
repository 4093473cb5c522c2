"""Audio that waits for the disk, without making the meeting wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from speech_adapters.contract import MeetingRequest
from speech_adapters.errors import BackendError

__all__ = ["SecondRecording"]

# Half an hour of the usual format.
_MOST_BYTES: Final = 64 * 2**20


class SecondRecording:
    """The audio of one meeting on its way to the disk; no method waits or raises.

    Args:
        request: what the second backend is asked for.
    """

    def __init__(self, request: MeetingRequest) -> None:
        self.request = request
        self._blocks: deque[bytes] = deque()
        self._waiting = 0  # bytes in the blocks
        self._ended = False
        self._overflowed = False
        self._changed = asyncio.Event()

    def push(self, audio: bytes) -> None:
        """Add audio; if too much of it waits, the recording fails rather than the meeting waits."""
        if self._ended or self._overflowed or not audio:
            return
        self._overflowed = self._waiting + len(audio) > _MOST_BYTES
        if self._overflowed:
            self._blocks.clear()
        else:
            self._blocks.append(audio)
            self._waiting += len(audio)
        self._changed.set()

    def end(self) -> None:
        """Mark the end of the audio."""
        self._ended = True
        self._changed.set()

    async def has_audio(self) -> bool:
        """Wait for the first audio, or for the end without any."""
        while not (self._blocks or self._overflowed or self._ended):
            await self._wait()
        return bool(self._blocks or self._overflowed)

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the audio until its end, all that waits at a time.

        Raises:
            BackendError: the disk was too slow.
        """
        while True:
            if self._overflowed:
                raise BackendError(
                    "The audio could not be written as fast as it came, so there is no second"
                    " transcript of this meeting. Use a faster disk for state_dir."
                )
            if self._blocks:
                data = b"".join(self._blocks)
                self._blocks.clear()
                self._waiting = 0
                yield data
            elif self._ended:
                return
            else:
                await self._wait()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
