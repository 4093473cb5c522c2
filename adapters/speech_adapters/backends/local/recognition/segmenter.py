"""Speech in an endless recording, cut into segments, with their audio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.recognition.activity import FRAME_SAMPLES, SpeechActivity
from speech_adapters.backends.local.recognition.endpoints import Endpointer, Segment
from speech_adapters.backends.local.recognition.resampling import SAMPLE_RATE

__all__ = ["SpeechSegment", "SpeechSegmenter"]

_FRAME_SECONDS: Final = FRAME_SAMPLES / SAMPLE_RATE
# A segment and its context are at most so long.  Whisper reads 30 s at a time, so context
# costs little, and it makes short segments more accurate.
_CONTEXT_SECONDS: Final = 15.0


@attrs.frozen(eq=False)
class SpeechSegment:
    """Speech between two pauses, so far or complete.

    Attributes:
        number: counted from 0 in the recording; stable while the segment grows.
        start: start of its audio, in seconds.
        end: end of its speech, in seconds.
        samples: its audio, 16 kHz mono.
        context: the audio before it, from the start of an earlier segment on; may be empty.
    """

    number: int
    start: float
    end: float
    samples: NDArray[np.float32]
    context: NDArray[np.float32]


class SpeechSegmenter:
    """Cuts speech out of audio.  Keeps the audio of the last seconds only."""

    def __init__(self) -> None:
        self._activity = SpeechActivity()
        self._endpointer = Endpointer(_FRAME_SECONDS)
        self._number = 0
        # The starts of the segments that can be context, in seconds.
        self._starts: list[float] = []
        # The audio from `_start` on, in samples.
        self._audio = np.zeros(0, np.float32)
        self._start = 0

    @property
    def current(self) -> SpeechSegment | None:
        """The segment in progress, up to the last sample; ``None`` in silence."""
        start = self._endpointer.start
        end = (self._start + len(self._audio)) / SAMPLE_RATE
        return None if start is None else self._cut(Segment(start, end, end))

    @property
    def probable(self) -> SpeechSegment | None:
        """The segment in progress, if its speech has probably ended."""
        segment = self._endpointer.probable
        return None if segment is None else self._cut(segment)

    def add(self, samples: NDArray[np.float32]) -> Iterator[SpeechSegment]:
        """Process audio, 16 kHz mono in [-1, 1]; yield the segments that it ends."""
        self._audio = np.concatenate([self._audio, samples])
        for probability in self._activity.add(samples):
            segment = self._endpointer.add(probability)
            if segment is not None:
                yield self._take(segment)
        self._forget(self._endpointer.horizon)

    def finish(self) -> Iterator[SpeechSegment]:
        """Yield the segment in progress: the audio has ended."""
        segment = self._endpointer.finish()
        if segment is not None:
            yield self._take(segment)

    def _take(self, segment: Segment) -> SpeechSegment:
        cut = self._cut(segment)
        self._number += 1
        self._starts.append(segment.start)
        return cut

    def _cut(self, segment: Segment) -> SpeechSegment:
        context = min(
            (start for start in self._starts if start >= segment.end - _CONTEXT_SECONDS),
            default=segment.start,
        )
        before, first, last = (
            round(seconds * SAMPLE_RATE) - self._start
            for seconds in (context, segment.start, segment.end)
        )
        return SpeechSegment(
            self._number,
            segment.start,
            segment.speech_end,
            self._audio[first:last],
            self._audio[before:first],
        )

    def _forget(self, horizon: float) -> None:
        """Forget the audio that no later segment contains, as speech or as context."""
        self._starts = [start for start in self._starts if start >= horizon - _CONTEXT_SECONDS]
        old = round(min([horizon, *self._starts]) * SAMPLE_RATE) - self._start
        if old > 0:
            self._audio = self._audio[old:]
            self._start += old
