"""Converts an engine's lines to utterances of one speaker each, and to events.

A line may hold several speakers, and the engine may revise them after the line is complete.
So a complete line waits until its speakers are settled, is split where they change, and is
then sent.  Later revisions are sent as corrections::

    line in progress ──▶ Hypothesis
    complete line ──waits for its speakers──▶ Recognized ──speaker revised──▶ correction
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import attrs

from speech_adapters.backends.local.recognition.words import (
    build_utterances,
    rounded_ticks,
    without_guests,
)
from speech_adapters.contract import Hypothesis, Recognized, SessionEvent, SpeechStarted
from speech_adapters.transcript import Utterance, ticks

if TYPE_CHECKING:
    from speech_adapters.backends.local.recognition.whisper import RecognizedWord

__all__ = ["PATIENCE", "EngineLine", "Segment", "Span", "UtteranceBuilder", "split_by_speaker"]

# Shorter spans are no speech: they come and go with every update.
_NOISE_SECONDS: Final = 0.3
# After so many times the seconds in which speakers settle, a line is sent without a speaker.
PATIENCE: Final = 3
_SENTENCE_END: Final = (".", "?", "!")
# A cut is moved by at most so many words to the end of a sentence.
_SNAP_WORDS: Final = 2


@attrs.frozen
class Span:
    """Speech of one speaker.

    Attributes:
        start: in seconds.
        duration: in seconds.
        speaker: the engine's id.
        participant: id of the participant who is the speaker, if that is known.
    """

    start: float
    duration: float
    speaker: int
    participant: str | None = attrs.field(default=None, repr=False)

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
        words: its words with their times; empty if the engine has none.
    """

    id: int
    text: str
    start: float
    duration: float
    complete: bool
    spans: tuple[Span, ...]
    words: tuple[RecognizedWord, ...] = ()

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
        guests: whether also those do whose speaker is no identified participant.
        settle_seconds: seconds of audio after which the engine rarely changes a speaker.
    """

    def __init__(
        self,
        language: str,
        diarize: bool,
        settle_seconds: float,
        *,
        guests: bool = True,
    ) -> None:
        self._language = language
        self._diarize = diarize
        self._guests = guests
        self._settle_seconds = settle_seconds
        # Utterance ids are derived from it, so that hypotheses share the final one's id.
        self._seed = uuid.uuid4()
        # Our number of each speaker id of the engine.
        self._numbers: dict[int, int] = {}
        # The lines that are not final yet, by id.
        self._pending: dict[int, EngineLine] = {}
        # The final utterances of each line, by its id.  A dict keeps the order.
        self._final: dict[int, list[Utterance]] = {}
        # The latest form of the final lines that have words.
        self._lines: dict[int, EngineLine] = {}
        # Whether the start of speech was sent; it is sent once per meeting.
        self._started = False

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """The final utterances in time order, with the latest corrections of their speakers."""
        return tuple(utterance for line in self._final.values() for utterance in line)

    def result(self) -> tuple[Utterance, ...]:
        """Return the utterances for the transcript, with the latest speakers, by offset.

        Lines with words are divided again where the speakers change in their latest form,
        which an event cannot do any more.  The ids are those of the events.
        """
        numbers: dict[int, int] = {}
        found: list[Utterance] = []
        for line_id, sent in self._final.items():
            line = self._lines.get(line_id)
            found += sent if line is None else self._divide(line, numbers)
        return tuple(sorted(found, key=lambda utterance: utterance.offset))

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
        patience = 1 if line.spans else PATIENCE
        return now - line.end >= patience * self._settle_seconds

    def _finalize(self, line: EngineLine) -> Iterator[SessionEvent]:
        # A line without text is final too: it must not wait again when it changes.
        final = self._final.setdefault(line.id, [])
        if line.words:
            self._lines[line.id] = line
            final += self._divide(line, self._numbers)
        elif line.text:
            segments = enumerate(split_by_speaker(line))
            found = [self._utterance(line, number, segment) for number, segment in segments]
            final += self._known(found)
        yield from map(Recognized, final)

    def _correct(self, line: EngineLine) -> Iterator[SessionEvent]:
        """Correct the speakers of final utterances; their texts and times stay as sent."""
        final = self._final[line.id]
        if line.words:
            self._lines[line.id] = line
        for number, utterance in enumerate(final):
            span = _main_span(line, utterance)
            # The engine may lose a speaker again; the one that was sent stays.
            if span is None or not self._diarize:
                continue
            corrected = attrs.evolve(
                utterance,
                speaker=self._speaker_number(span.speaker),
                participant=span.participant,
            )
            (corrected,) = self._known([corrected])
            if corrected != utterance:
                final[number] = corrected
                yield Recognized(corrected, correction=True)

    def _known(self, utterances: Sequence[Utterance]) -> Sequence[Utterance]:
        """Return utterances without the speakers that must stay unknown."""
        return utterances if self._guests else without_guests(utterances)

    def _divide(self, line: EngineLine, numbers: dict[int, int]) -> list[Utterance]:
        """Divide a line at its words; new speakers are added to ``numbers``."""
        spans = line.spans if self._diarize else ()
        found = build_utterances(
            line.words,
            spans,
            language=self._language,
            seed=self._seed,
            numbers=numbers,
            names={span.speaker: span.participant for span in spans if span.participant},
        )
        known = self._known(found)
        return [attrs.evolve(u, id=self._id(line, number)) for number, u in enumerate(known)]

    def _id(self, line: EngineLine, number: int) -> str:
        return uuid.uuid5(self._seed, f"{line.id}:{number}").hex

    def _utterance(self, line: EngineLine, number: int, segment: Segment) -> Utterance:
        start, end = rounded_ticks(segment.start), rounded_ticks(segment.end)
        return Utterance(
            id=self._id(line, number),
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
    """Split a line without words where its speaker changes.

    The text is divided in proportion to the time of each speaker, and a cut near the end of
    a sentence is moved there.
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


def _main_span(line: EngineLine, utterance: Utterance) -> Span | None:
    """Return a span of the speaker with most of the utterance's time."""
    shares: dict[int, int] = {}
    for span in line.spans:
        common = min(ticks(span.end), utterance.end) - max(ticks(span.start), utterance.offset)
        shares[span.speaker] = shares.get(span.speaker, 0) + max(common, 0)
    if not any(shares.values()):
        return None
    main = max(shares, key=lambda speaker: shares[speaker])
    return next(span for span in line.spans if span.speaker == main)
