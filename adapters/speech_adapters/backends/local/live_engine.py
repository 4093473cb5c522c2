"""The engine of live meetings: PCM in, lines of text with words and speakers out.

::

    samples ─┬─▶ segmenter ──segment──▶ recognizer ──words──▶ line
             └─▶ diarizer ───────────estimate──────turns──────▶┘

A line is complete at a pause.  Until then its text is a hypothesis.  When a pause begins,
words and speakers are recognized at once, so the line is ready when the pause is long enough;
if the speech goes on, it was one more hypothesis.  Later estimates may revise the speakers of
earlier lines, which are then returned again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization import Diarization
from speech_adapters.backends.local.diarization.identification import identify
from speech_adapters.backends.local.live_speakers import LiveSpeakers, StableNumbers, spans_at
from speech_adapters.backends.local.recognition.resampling import SAMPLE_RATE, Resampler
from speech_adapters.backends.local.recognition.segmenter import SpeechSegment, SpeechSegmenter
from speech_adapters.backends.local.recognition.segments import SegmentRecognizer
from speech_adapters.backends.local.recognition.whisper import RecognizedWord
from speech_adapters.backends.local.utterances import PATIENCE, EngineLine
from speech_adapters.closeable import Closeable
from speech_adapters.signatures import VoiceSignature
from speech_adapters.transcript import Provenance

__all__ = ["LiveEngine"]

# A hypothesis is renewed after so much more audio.
_HYPOTHESIS_SECONDS: Final = 0.7
# Hypotheses cost at most this share of the time, and so does recognition at the start of a
# pause: with a large model both become rarer, so that the final results do not fall behind.
_SHARE: Final = 0.25
# Later estimates are applied to the lines of this last part of the recording, in seconds.
_REVISED_SECONDS: Final = 150.0
# A diarizer that is late is asked so often, in seconds of audio.
_SETTLE_STEP_SECONDS: Final = 0.5


@attrs.frozen
class _Recognition:
    """What was recognized in a segment up to the end of its speech so far."""

    segment: SpeechSegment
    words: list[RecognizedWord]
    estimate: Future[Diarization] | None

    def is_of(self, segment: SpeechSegment) -> bool:
        """Return whether the segment has no more speech than then."""
        return (self.segment.number, self.segment.end) == (segment.number, segment.end)


class LiveEngine(Closeable):
    """One meeting while it is spoken.

    Args:
        sample_rate: samples per second of the audio.
        recognizer: recognizes the words.
        speakers: separates the speakers; ``None`` leaves the lines without speakers.
        provenance: the transcript's provenance.
        resources: closed at the end.
        signatures: voice signatures of participants, by their ids.
        settle_seconds: seconds of audio that the diarizer is late; 0 if it is up to date.
        clock: returns seconds; measures the cost of hypotheses.

    Attributes:
        provenance: the transcript's provenance.
        settle_seconds: as above.
    """

    def __init__(
        self,
        sample_rate: int,
        recognizer: SegmentRecognizer,
        speakers: LiveSpeakers | None,
        *,
        provenance: Provenance,
        resources: ExitStack,
        signatures: Mapping[str, VoiceSignature] | None = None,
        settle_seconds: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.provenance = provenance
        self.settle_seconds = settle_seconds
        self._recognizer = recognizer
        self._speakers = speakers
        self._resources = resources
        self._signatures = signatures or {}
        self._clock = clock
        self._resampler = Resampler(sample_rate)
        self._segmenter = SpeechSegmenter()
        # Samples so far.
        self._size = 0
        # Seconds of audio at which the next hypothesis is due.
        self._hypothesis_due = 0.0
        # The latest recognition, and the seconds of audio at which the next one that may be
        # in vain is allowed.
        self._recognition: _Recognition | None = None
        self._recognition_due = 0.0
        # Seconds of audio up to which a late diarizer is asked again, and when next.
        self._unsettled_until = 0.0
        self._estimate_due = 0.0
        # The complete lines, by number; a dict keeps the order.
        self._lines: dict[int, EngineLine] = {}
        self._numbers = StableNumbers()
        # The participants among the speakers of the latest estimate.
        self._names: dict[int, str] = {}

    def add_audio(self, pcm: bytes) -> list[EngineLine]:
        """Process mono 16-bit PCM; return the new and changed lines, in time order.

        Raises:
            BackendError: the engine failed.
        """
        return self._add(self._resampler.add(pcm))

    def finish(self) -> list[EngineLine]:
        """End the audio; return the lines that are new or changed since the last call.

        Raises:
            BackendError: the engine failed.
        """
        lines = {line.id: line for line in self._add(self._resampler.finish())}
        for segment in self._segmenter.finish():
            lines.update((line.id, line) for line in self._complete(segment))
        if self._speakers is not None:
            lines.update((line.id, line) for line in self._revise(self._speakers.finish(), 0.0))
        return [lines[number] for number in sorted(lines)]

    def close(self) -> None:
        """Free the models.  Idempotent."""
        self._resources.close()

    def _add(self, samples: NDArray[np.float32]) -> list[EngineLine]:
        self._size += len(samples)
        if self._speakers is not None and len(samples):
            self._speakers.add(samples)
        lines = [
            line for segment in self._segmenter.add(samples) for line in self._complete(segment)
        ]
        lines += self._settle(self._size / SAMPLE_RATE)
        lines += self._look_ahead()
        return lines

    def _look_ahead(self) -> Iterator[EngineLine]:
        """Yield the hypothesis that is due, if one is."""
        probable, current = self._segmenter.probable, self._segmenter.current
        if probable is not None and probable.end >= self._recognition_due:
            if self._recognition is None or not self._recognition.is_of(probable):
                yield _line(probable, self._recognize(probable).words, complete=False)
        elif probable is None and current is not None and current.end >= self._due(current):
            yield self._hypothesis(current)

    def _due(self, segment: SpeechSegment) -> float:
        return max(self._hypothesis_due, segment.start + _HYPOTHESIS_SECONDS)

    def _hypothesis(self, segment: SpeechSegment) -> EngineLine:
        begun = self._clock()
        text = self._recognizer.hypothesis(segment.samples)
        cost = self._clock() - begun
        self._hypothesis_due = segment.end + max(_HYPOTHESIS_SECONDS, cost / _SHARE)
        length = segment.end - segment.start
        return EngineLine(segment.number, text, segment.start, length, False, ())

    def _recognize(self, segment: SpeechSegment) -> _Recognition:
        """Recognize a segment, unless that was done before the pause was long enough."""
        if self._recognition is None or not self._recognition.is_of(segment):
            begun = self._clock()
            # Requested first: both are computed at the same time.
            estimate = self._speakers.estimate() if self._speakers is not None else None
            words = self._recognizer.words(segment)
            self._recognition = _Recognition(segment, words, estimate)
            self._recognition_due = segment.end + (self._clock() - begun) / _SHARE
        return self._recognition

    def _complete(self, segment: SpeechSegment) -> Iterator[EngineLine]:
        recognized = self._recognize(segment)
        # It was not in vain.
        self._recognition_due = 0.0
        line = _line(segment, recognized.words, complete=True)
        self._lines[line.id] = line
        # UtteranceBuilder waits so long at most.
        self._unsettled_until = segment.end + PATIENCE * self.settle_seconds
        if recognized.estimate is None:
            yield line
        else:
            found = recognized.estimate.result()
            yield from self._revise(found, segment.start - _REVISED_SECONDS, line.id)

    def _settle(self, now: float) -> Iterator[EngineLine]:
        """Yield the lines whose speakers a late diarizer has found meanwhile."""
        if self._speakers is None or not self._estimate_due <= now < self._unsettled_until:
            return
        self._estimate_due = now + _SETTLE_STEP_SECONDS
        yield from self._revise(self._speakers.estimate().result(), now - _REVISED_SECONDS)

    def _revise(
        self, found: Diarization, since: float, new: int | None = None
    ) -> Iterator[EngineLine]:
        """Yield the line ``new``, and those that end after ``since`` whose speakers differ."""
        names = identify(found, self._signatures)
        if self._numbers.update(found) or names != self._names:
            # Two speakers were found to be one, or one to be a participant, which concerns
            # lines of any age.
            since = 0.0
        self._names = names
        changed = []
        for line in reversed(self._lines.values()):
            if line.end < since:
                break
            spans = spans_at(found.turns, line.start, line.end, names, self._numbers)
            if spans != line.spans or line.id == new:
                changed.append(attrs.evolve(line, spans=spans))
        self._lines.update((line.id, line) for line in changed)
        yield from reversed(changed)


def _line(segment: SpeechSegment, words: list[RecognizedWord], *, complete: bool) -> EngineLine:
    text = "".join(word.text for word in words).strip()
    length = segment.end - segment.start
    return EngineLine(segment.number, text, segment.start, length, complete, (), tuple(words))
