"""Where utterances begin and end, decided while the speech goes on."""

from __future__ import annotations

from statistics import fmean
from typing import Final

import attrs

__all__ = ["Endpointer", "Segment"]

# Speech starts at the first value, and goes on down to the second.
_START: Final = 0.5
_CONTINUE: Final = 0.35
# The pause that ends a segment, in seconds.  A longer one would make the text a little more
# accurate, and every final result late.
_PAUSE: Final = 0.5
# After this pause the segment probably ends.
_PROBABLE_PAUSE: Final = 0.25
# A segment without such a pause is cut at the least probable speech of its second half.
_LONGEST: Final = 15.0
# Audio around the speech: the model reacts a little late, and words fade out.
_BEFORE: Final = 0.3
_AFTER: Final = 0.2


@attrs.frozen
class Segment:
    """Speech between two pauses; times in seconds.

    Attributes:
        start: start of its audio, which begins a little before the speech.
        end: end of its audio.
        speech_end: end of the speech.
    """

    start: float
    end: float
    speech_end: float


class Endpointer:
    """Divides speech at pauses.  Its memory is bounded by the longest segment.

    Args:
        frame_seconds: length of a frame.

    Attributes:
        start: start of the audio of the segment in progress, or ``None`` in silence.
    """

    def __init__(self, frame_seconds: float) -> None:
        self._frame = frame_seconds
        self._frames = 0
        # Of the segment in progress: the start of its audio, the end of its speech so far, the
        # number of frames since then, and the probabilities of all its frames.
        self.start: float | None = None
        self._silent = 0
        self._speech_end = 0.0
        self._probabilities: list[float] = []
        # The end of the last segment: audio belongs to one segment at most.
        self._cut = 0.0

    @property
    def horizon(self) -> float:
        """Seconds before which no later segment starts."""
        return self.start if self.start is not None else max(self._cut, self._now - _BEFORE)

    @property
    def probable(self) -> Segment | None:
        """The segment in progress, if its speech has probably ended."""
        if self.start is None or self._pause < _PROBABLE_PAUSE:
            return None
        return Segment(self.start, self._speech_end + _AFTER, self._speech_end)

    def add(self, probability: float) -> Segment | None:
        """Process the probability of speech of one frame; return the segment that it ends."""
        self._frames += 1
        if self.start is None:
            if probability >= _START:
                self._begin(self._now - self._frame)
            return None
        self._probabilities.append(probability)
        if probability >= _START or (probability >= _CONTINUE and not self._silent):
            self._speech_end, self._silent = self._now, 0
        else:
            self._silent += 1
        if self._pause >= _PAUSE:
            return self._close(min(self._speech_end + _AFTER, self._now))
        return self._divide() if self._now - self.start >= _LONGEST else None

    def finish(self) -> Segment | None:
        """Return the segment in progress: the audio has ended."""
        return None if self.start is None else self._close(self._now)

    @property
    def _now(self) -> float:
        return self._frames * self._frame

    @property
    def _pause(self) -> float:
        return self._silent * self._frame

    def _begin(self, speech: float) -> None:
        self.start = max(self._cut, speech - _BEFORE)
        self._speech_end, self._silent = self._now, 0
        self._probabilities = []

    def _close(self, end: float) -> Segment:
        assert self.start is not None
        segment = Segment(self.start, end, self._speech_end)
        self._cut, self.start = end, None
        return segment

    def _divide(self) -> Segment:
        """End the segment in its second half, and begin the next one there."""
        second = self._probabilities[len(self._probabilities) // 2 :]
        place = min(range(len(second)), key=lambda i: fmean(second[max(0, i - 2) : i + 3]))
        cut = self._now - (len(second) - place) * self._frame
        speech_end, self._speech_end = self._speech_end, min(cut, self._speech_end)
        segment = self._close(cut)
        self.start, self._speech_end = cut, max(speech_end, cut)
        self._probabilities = second[place:]
        return segment
