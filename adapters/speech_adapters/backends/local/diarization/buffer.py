"""The part of the audio that is still needed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["AudioBuffer"]

_INITIAL: Final = 1 << 19


class AudioBuffer:
    """A window onto a recording that grows at its end and is dropped at its start.

    Positions are samples from the start of the recording.

    Attributes:
        end: number of samples of the recording so far.
    """

    def __init__(self) -> None:
        self.end = 0
        # The position of the first sample in the array.
        self._start = 0
        self._samples = np.zeros(_INITIAL, np.float32)

    def append(self, samples: NDArray[np.float32]) -> None:
        """Add samples at the end."""
        used = self.end - self._start
        if used + len(samples) > len(self._samples):
            grown = np.zeros(2 * (used + len(samples)), np.float32)
            grown[:used] = self._samples[:used]
            self._samples = grown
        self._samples[used : used + len(samples)] = samples
        self.end += len(samples)

    def drop(self, before: int) -> None:
        """Forget the samples before a position."""
        if before <= self._start:
            return
        kept = self.end - before
        # Moved by numpy even where source and target overlap.
        self._samples[:kept] = self._samples[before - self._start : self.end - self._start]
        self._start = before

    def read(self, begin: int, end: int) -> NDArray[np.float32]:
        """Return the samples between two positions, as far as there are any."""
        assert begin >= self._start, "these samples were dropped"
        return self._samples[begin - self._start : min(end, self.end) - self._start]
