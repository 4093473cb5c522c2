"""From the engine's lines to utterances of one speaker each, and to events.

A line may hold several speakers, and who spoke may be revised after the line is
complete.  So a complete line waits until its speakers are known; then it is split
where they change, and told.  Later revisions are told as corrections.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import attrs

from speech_adapters.contract import Hypothesis, Recognized, SessionEvent, SpeechStarted
from speech_adapters.transcript import Utterance, ticks

__all__ = ["Conversation", "Line", "Part", "Span", "split"]

_NOISE_SECONDS: Final = 0.3  # shorter spans come and go with every look
_SETTLE_SECONDS: Final = 2.0  # after this much more audio a speaker rarely changes
_PATIENCE_SECONDS: Final = 6.0  # then a line is told without a speaker
_SENTENCE_END: Final = (".", "?", "!")
_SNAP_WORDS: Final = 2


@attrs.frozen
class Span:
    """A stretch of speech of one speaker; seconds; ``speaker`` is stable in a stream."""

    start: float
    duration: float
    speaker: int

    @property
    def end(self) -> float:
        """End in seconds."""
        return self.start + self.duration


@attrs.frozen
class Line:
    """What was said between two pauses; ``start`` and ``duration`` in seconds."""

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
class Part:
    """What one speaker said of a line; ``start`` and ``end`` in seconds."""

    text: str
    start: float
    end: float
    speaker: int | None


class Conversation:
    """Turns lines into events, and holds the utterances told so far.

    Args:
        language: language of the utterances.
        diarize: whether lines carry speakers at all.
    """

    def __init__(self, language: str, diarize: bool) -> None:
        self._language = language
        self._diarize = diarize
        self._seed = uuid.uuid4()
        self._numbers: dict[int, int] = {}
        self._waiting: dict[int, Line] = {}
        self._told: dict[int, list[Utterance]] = {}  # by line, in order
        self._heard = False

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The final utterances, with the last word on who spoke."""
        return tuple(said for line in self._told.values() for said in line)

    def take(self, lines: list[Line], now: float) -> Iterator[SessionEvent]:
        """Give the events that changed lines bring; ``now`` is the audio heard, in seconds."""
        for line in lines:
            if line.text and not self._heard:
                self._heard = True
                yield SpeechStarted(ticks(line.start))
            yield from self._revise(line)
            if line.id not in self._told:
                yield from self._wait(line)
        yield from self._settle(now)

    def end(self) -> Iterator[SessionEvent]:
        """Give the events of what was still waiting; no more audio will come."""
        yield from self._settle(float("inf"))

    def _wait(self, line: Line) -> Iterator[SessionEvent]:
        before = self._waiting.get(line.id)
        self._waiting[line.id] = line
        if not line.complete and line.text and (before is None or before.text != line.text):
            yield Hypothesis(self._utterance(line, 0, Part(line.text, line.start, line.end, None)))

    def _settle(self, now: float) -> Iterator[SessionEvent]:
        for line in sorted(self._waiting.values(), key=lambda line: line.start):
            if not self._ripe(line, now):
                break  # later lines wait too, so that utterances come in order
            del self._waiting[line.id]
            yield from self._tell(line)

    def _ripe(self, line: Line, now: float) -> bool:
        if not line.complete and now != float("inf"):
            return False
        if not self._diarize or not line.text:
            return True
        patience = _SETTLE_SECONDS if line.spans else _PATIENCE_SECONDS
        return now - line.end >= patience

    def _tell(self, line: Line) -> Iterator[SessionEvent]:
        told = self._told.setdefault(line.id, [])
        if not line.text:
            return
        for number, part in enumerate(split(line)):
            told.append(self._utterance(line, number, part))
            yield Recognized(told[-1])

    def _revise(self, line: Line) -> Iterator[SessionEvent]:
        told = self._told.get(line.id, [])
        for number, utterance in enumerate(told):
            speaker = self._number(_who(line, utterance))
            if speaker is not None and speaker != utterance.speaker:
                told[number] = attrs.evolve(utterance, speaker=speaker)
                yield Recognized(told[number], correction=True)

    def _utterance(self, line: Line, number: int, part: Part) -> Utterance:
        return Utterance(
            id=uuid.uuid5(self._seed, f"{line.id}:{number}").hex,
            text=part.text,
            offset=_ticks(part.start),
            duration=_ticks(part.end) - _ticks(part.start),
            speaker=self._number(part.speaker),
            language=self._language,
        )

    def _number(self, speaker: int | None) -> int | None:
        """Number speakers in order of first appearance; the engine's ids are random."""
        if speaker is None or not self._diarize:
            return None
        return self._numbers.setdefault(speaker, len(self._numbers))


def split(line: Line) -> list[Part]:
    """Split a line where its speaker changes.

    The engine's small model gives no word timings, so words are shared out in
    proportion to the time each speaker had, and a cut near the end of a sentence
    is made there.
    """
    runs = _runs(line)
    if len(runs) < 2:  # noqa: PLR2004
        return [Part(line.text, line.start, line.end, runs[0].speaker if runs else None)]
    words = line.text.split()
    total, passed, first = sum(run.duration for run in runs), 0.0, 0
    parts: list[Part] = []
    for number, run in enumerate(runs):
        passed += run.duration
        last = number == len(runs) - 1
        cut = len(words) if last else _snap(words, round(len(words) * passed / total))
        if cut > first:
            parts.append(Part(" ".join(words[first:cut]), run.start, run.end, run.speaker))
            first = cut
    return parts


def _runs(line: Line) -> list[Span]:
    """Join what one speaker says in a row; spans too short to be speech are left out."""
    spans = [span for span in line.spans if span.duration >= _NOISE_SECONDS] or line.spans[:1]
    runs = []
    for speaker, group in groupby(spans, key=lambda span: span.speaker):
        members = list(group)
        runs.append(Span(members[0].start, members[-1].end - members[0].start, speaker))
    return runs


def _snap(words: list[str], cut: int) -> int:
    near = [
        place
        for place in range(max(1, cut - _SNAP_WORDS), min(len(words), cut + _SNAP_WORDS + 1))
        if words[place - 1].endswith(_SENTENCE_END)
    ]
    return min(near, key=lambda place: abs(place - cut), default=cut)


def _who(line: Line, utterance: Utterance) -> int | None:
    """Give the speaker who has most of the utterance's time."""
    shares: dict[int, int] = {}
    for span in line.spans:
        common = min(ticks(span.end), utterance.end) - max(ticks(span.start), utterance.offset)
        shares[span.speaker] = shares.get(span.speaker, 0) + max(common, 0)
    return max(shares, key=lambda speaker: shares[speaker]) if any(shares.values()) else None


def _ticks(value: float) -> int:
    """Turn the engine's seconds, which are 32-bit floats, into ticks of whole milliseconds."""
    return ticks(round(value, 3))
