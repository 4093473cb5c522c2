"""Converts the engine's lines to utterances of one speaker each, and to events.

A line may hold several speakers, and the engine may revise them after the line is complete.
So a complete line waits until its speakers are known, is split where they change, and is
then sent.  Later revisions are sent as corrections::

    line in progress ──▶ Hypothesis
    complete line ──waits for its speakers──▶ Recognized ──speaker revised──▶ correction
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import attrs

from speech_adapters.contract import Hypothesis, Recognized, SessionEvent, SpeechStarted
from speech_adapters.transcript import Utterance, ticks

__all__ = ["EngineLine", "Segment", "Span", "UtteranceBuilder", "split_by_speaker"]

# Shorter spans are no speech: they come and go with every update.
_NOISE_SECONDS: Final = 0.3
# After this much more audio the engine rarely changes a speaker.
_STABLE_SECONDS: Final = 2.0
# After this much more audio a line is sent without a speaker.
_UNKNOWN_SECONDS: Final = 6.0
_SENTENCE_END: Final = (".", "?", "!")
# A cut is moved by at most so many words to the end of a sentence.
_SNAP_WORDS: Final = 2


@attrs.frozen
class Span:
    """Speech of one speaker; times in seconds; ``speaker`` is the engine's id."""

    start: float
    duration: float
    speaker: int

    @property
    def end(self) -> float:
        """End in seconds."""
        return self.start + self.duration


@attrs.frozen
class EngineLine:
    """Speech between two pauses, as the engine returns it; times in seconds.

    Attributes:
        id: stable while the line changes.
        text: its text so far; may be empty.
        start: start of the line.
        duration: length of the line so far.
        complete: whether the text is final.
        spans: its speakers, in time order; may be empty, and may still change.
    """

    id: int
    text: str
    start: float
    duration: float
    complete: bool
    spans: tuple[Span, ...]

    @property
    def end(self) -> float:
        """End in seconds."""
        return self.start + self.duration


@attrs.frozen
class Segment:
    """The text of one speaker within a line; ``start`` and ``end`` in seconds."""

    text: str
    start: float
    end: float
    speaker: int | None


class UtteranceBuilder:
    """Converts lines to events, and collects the final utterances.

    Args:
        language: BCP-47 tag that the utterances carry.
        diarize: whether the utterances carry speakers.
    """

    def __init__(self, language: str, diarize: bool) -> None:
        self._language = language
        self._diarize = diarize
        # Utterance ids are derived from it, so that hypotheses share the final one's id.
        self._seed = uuid.uuid4()
        # Our number of each speaker id of the engine.
        self._numbers: dict[int, int] = {}
        # The lines that are not final yet, by id.
        self._pending: dict[int, EngineLine] = {}
        # The final utterances of each line, by its id.  A dict keeps the order.
        self._final: dict[int, list[Utterance]] = {}
        # Whether the start of speech was sent; it is sent once per meeting.
        self._started = False

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The final utterances in time order, with the latest corrections of their speakers."""
        return tuple(utterance for line in self._final.values() for utterance in line)

    def update(self, lines: Sequence[EngineLine], now: float) -> Iterator[SessionEvent]:
        """Process changed lines and yield the resulting events.

        Args:
            lines: the lines, in time order; none when only time has passed.
            now: seconds of audio that the engine has processed.
        """
        for line in lines:
            if line.text and not self._started:
                self._started = True
                yield SpeechStarted(ticks(line.start))
            if line.id in self._final:
                yield from self._correct(line)
            else:
                yield from self._wait(line)
        yield from self._finalize_until(now)

    def finish(self) -> Iterator[SessionEvent]:
        """Yield the events of all lines that still wait; the audio has ended."""
        yield from self._finalize_until(float("inf"))

    def _wait(self, line: EngineLine) -> Iterator[SessionEvent]:
        before = self._pending.get(line.id)
        self._pending[line.id] = line
        # Most updates of a line change only its length, which is no news for a listener.
        if not line.complete and line.text and (before is None or before.text != line.text):
            whole = Segment(line.text, line.start, line.end, None)
            yield Hypothesis(self._utterance(line, 0, whole))

    def _finalize_until(self, now: float) -> Iterator[SessionEvent]:
        for line in sorted(self._pending.values(), key=lambda line: line.start):
            if not self._is_ready(line, now):
                break  # later lines wait too, so that utterances are sent in order
            del self._pending[line.id]
            yield from self._finalize(line)

    def _is_ready(self, line: EngineLine, now: float) -> bool:
        if not line.complete and now != float("inf"):
            return False
        if not self._diarize or not line.text:
            return True
        return now - line.end >= (_STABLE_SECONDS if line.spans else _UNKNOWN_SECONDS)

    def _finalize(self, line: EngineLine) -> Iterator[SessionEvent]:
        # A line without text is final too: it must not wait again when it changes.
        final = self._final.setdefault(line.id, [])
        if not line.text:
            return
        for number, segment in enumerate(split_by_speaker(line)):
            final.append(self._utterance(line, number, segment))
            yield Recognized(final[-1])

    def _correct(self, line: EngineLine) -> Iterator[SessionEvent]:
        """Correct the speakers of final utterances; their texts and times stay as sent."""
        final = self._final[line.id]
        for number, utterance in enumerate(final):
            speaker = self._speaker_number(_main_speaker(line, utterance))
            # The engine may lose a speaker again; the one that was sent stays.
            if speaker is not None and speaker != utterance.speaker:
                final[number] = attrs.evolve(utterance, speaker=speaker)
                yield Recognized(final[number], correction=True)

    def _utterance(self, line: EngineLine, number: int, segment: Segment) -> Utterance:
        start, end = _milliseconds(segment.start), _milliseconds(segment.end)
        return Utterance(
            id=uuid.uuid5(self._seed, f"{line.id}:{number}").hex,
            text=segment.text,
            offset=start,
            duration=end - start,
            speaker=self._speaker_number(segment.speaker),
            language=self._language,
        )

    def _speaker_number(self, speaker: int | None) -> int | None:
        """Number speakers in order of first appearance; the engine's ids are random."""
        if speaker is None or not self._diarize:
            return None
        return self._numbers.setdefault(speaker, len(self._numbers))


def split_by_speaker(line: EngineLine) -> list[Segment]:
    """Split a line where its speaker changes.

    The engine's small model returns no word timings, so the words are divided in
    proportion to the time of each speaker, and a cut near the end of a sentence is moved
    there.
    """
    runs = _runs(line)
    if len(runs) < 2:  # noqa: PLR2004
        return [Segment(line.text, line.start, line.end, runs[0].speaker if runs else None)]
    words = line.text.split()
    total, passed, first = sum(run.duration for run in runs), 0.0, 0
    segments: list[Segment] = []
    for number, run in enumerate(runs):
        passed += run.duration
        last = number == len(runs) - 1
        # The last speaker gets all words that are left: none may be lost to rounding.
        cut = len(words) if last else _snap(words, round(len(words) * passed / total))
        if cut > first:
            segments.append(Segment(" ".join(words[first:cut]), run.start, run.end, run.speaker))
            first = cut
    return segments


def _runs(line: EngineLine) -> list[Span]:
    """Return one span per turn of a speaker; spans too short to be speech are left out."""
    spans = [span for span in line.spans if span.duration >= _NOISE_SECONDS] or line.spans[:1]
    runs = []
    for speaker, group in groupby(spans, key=lambda span: span.speaker):
        members = list(group)
        runs.append(Span(members[0].start, members[-1].end - members[0].start, speaker))
    return runs


def _snap(words: list[str], cut: int) -> int:
    """Return the nearest end of a sentence around ``cut``, or else ``cut``."""
    near = [
        place
        for place in range(max(1, cut - _SNAP_WORDS), min(len(words), cut + _SNAP_WORDS + 1))
        if words[place - 1].endswith(_SENTENCE_END)
    ]
    return min(near, key=lambda place: abs(place - cut), default=cut)


def _main_speaker(line: EngineLine, utterance: Utterance) -> int | None:
    """Return the engine's id of the speaker with most of the utterance's time."""
    shares: dict[int, int] = {}
    for span in line.spans:
        common = min(ticks(span.end), utterance.end) - max(ticks(span.start), utterance.offset)
        shares[span.speaker] = shares.get(span.speaker, 0) + max(common, 0)
    return max(shares, key=lambda speaker: shares[speaker]) if any(shares.values()) else None


def _milliseconds(seconds: float) -> int:
    """Return ticks, rounded to milliseconds: the engine's seconds are 32-bit floats."""
    return ticks(round(seconds, 3))
