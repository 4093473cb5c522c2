"""Limits how far the audio that is sent may be ahead of the results."""

from __future__ import annotations

import time
from typing import NamedTuple

from speech_adapters.audio import PcmFormat

__all__ = ["Throttle"]


class _Start(NamedTuple):
    """When, and at which byte, the audio began to be sent slowly."""

    time: float
    position: int


class Throttle:
    """Lets audio be sent at once up to ``ahead_seconds`` after the last result, then slowly.

    The SDK keeps audio without a result in memory, and cancels when that is too much
    (docs/protocol/speech-websocket.md, 3).  To stop entirely would be wrong: the service may
    acknowledge silence in a way that the SDK does not report.

    Args:
        pcm: the format of the audio.
        ahead_seconds: the length of audio without a result that is sent at once.
        rate: the speed afterwards, in multiples of real time.
    """

    def __init__(self, pcm: PcmFormat, ahead_seconds: float, rate: float = 1.0) -> None:
        self._pcm = pcm
        self._rate = rate
        self._ahead = self._bytes(ahead_seconds)
        self._start: _Start | None = None  # set while audio is sent slowly

    @property
    def active(self) -> bool:
        """Whether audio is sent slowly."""
        return self._start is not None

    def reset(self) -> None:
        """Start with another recognizer."""
        self._start = None

    def room(self, position: int, reached: int) -> int:
        """Return how many bytes may be sent now; 0 or less for none.

        Args:
            position: the end of the audio that was sent, in bytes.
            reached: the end of the audio that has a result, in bytes.
        """
        room = reached + self._ahead - position
        if room > 0:
            self._start = None
            return room
        now = time.monotonic()
        self._start = self._start or _Start(now, position)
        return self._start.position + self._bytes((now - self._start.time) * self._rate) - position

    def _bytes(self, seconds: float) -> int:
        return int(seconds * self._pcm.sample_rate) * self._pcm.frame_bytes
