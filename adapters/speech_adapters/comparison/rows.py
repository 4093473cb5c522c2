"""Two transcripts side by side: utterances of the same time in one row, differences marked.

The marks are those of cpWER: the words of each pair of speakers are aligned as a whole, so an
utterance that the other side divides differently has no marks for that alone, and the number of
marked words is that of the errors.  Where both have times, an utterance of the candidate is in the
row of the reference that it overlaps most, a little rather of the same speaker; otherwise in that
with which it shares most words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

import attrs

from speech_adapters.comparison.alignment import Pair, align
from speech_adapters.comparison.comparing import Comparison, times_of
from speech_adapters.comparison.words import Words, words_of
from speech_adapters.export.lines import one_line
from speech_adapters.reading.document import Document
from speech_adapters.transcript import LabelStyle, Transcript

__all__ = ["Line", "Row", "line_up"]

# An overlap with the same speaker counts for more.
_SAME_SPEAKER: Final = 2


@attrs.frozen
class Line:
    """An utterance.

    Attributes:
        offset: start in ticks.
        label: its speaker.
        voice: the number of its speaker; the same ones of both sides have the same number.
        pieces: its text in pieces, and whether each differs from the other side.
    """

    offset: int
    label: str
    voice: int
    pieces: tuple[tuple[str, bool], ...]

    @property
    def differs(self) -> bool:
        """Whether a part of the text differs."""
        return any(differs for _, differs in self.pieces)


@attrs.define
class Row:
    """Utterances that belong together; one side may be empty."""

    reference: list[Line] = attrs.field(factory=list)
    candidate: list[Line] = attrs.field(factory=list)

    @property
    def differs(self) -> bool:
        """Whether a word differs."""
        return any(line.differs for line in (*self.reference, *self.candidate))

    @property
    def offset(self) -> int:
        """Start in ticks; that of the candidate if the reference has no times."""
        lines = (*self.reference, *self.candidate)
        return next((line.offset for line in lines if line.offset), 0)


@attrs.define
class _Marks:
    """The differing tokens of both sides, and the words that utterances share.

    Attributes:
        reference: positions of equal tokens of each utterance of the reference.
        candidate: the same of the candidate.
        shared: how many words an utterance of the candidate shares, by utterance of both.
    """

    reference: dict[int, list[tuple[str, bool]]] = attrs.field(factory=dict)
    candidate: dict[int, list[tuple[str, bool]]] = attrs.field(factory=dict)
    shared: Counter[tuple[int, int]] = attrs.field(factory=Counter)


def line_up(reference: Document, candidate: Document, comparison: Comparison) -> list[Row]:
    """Return the rows, in the order of the reference.

    Args:
        reference: the transcript that counts as right.
        candidate: the other one.
        comparison: the comparison of the two, for the mapping and the words.
    """
    marks = _marks(reference.transcript, candidate.transcript, comparison)
    voices = _voices(comparison)
    left = _lines(reference.transcript, marks.reference, voices[0])
    right = _lines(candidate.transcript, marks.candidate, voices[1])
    timed = times_of(reference) != "none" and times_of(candidate) != "none"
    places = (
        _places_by_time(reference.transcript, candidate.transcript, voices)
        if timed
        else _places_by_words(marks.shared, len(right))
    )
    return list(_rows(left, right, places, timed=timed))


def _marks(reference: Transcript, candidate: Transcript, comparison: Comparison) -> _Marks:
    marks = _Marks()
    for pair in comparison.mapping:
        sides = (
            _words(reference, pair.reference, comparison),
            _words(candidate, pair.candidate, comparison),
        )
        # Without the library nothing is marked, rather than everything.
        equal = align(sides[0].words, sides[1].words) if comparison.cpwer else None
        for side, words, found in zip(
            (0, 1), sides, (marks.reference, marks.candidate), strict=True
        ):
            same = None if equal is None else {positions[side] for positions in equal}
            _mark(words, same, found)
        owners = [_owners(words) for words in sides]
        marks.shared.update((owners[0][a], owners[1][b]) for a, b in equal or ())
    return marks


def _words(transcript: Transcript, label: str | None, comparison: Comparison) -> Words:
    if label is None:
        return Words((), ())
    return words_of(transcript, label, normalized=comparison.normalized)


def _owners(words: Words) -> list[int]:
    """Return the utterance of each word."""
    return [token.utterance for token in words.tokens for _ in range(token.count)]


def _mark(words: Words, same: set[int] | None, found: dict[int, list[tuple[str, bool]]]) -> None:
    """Add the tokens of each utterance, with a mark for each that has a differing word."""
    position = 0
    for token in words.tokens:
        own = range(position, position + token.count)
        position += token.count
        differs = same is not None and any(word not in same for word in own)
        found.setdefault(token.utterance, []).append((one_line(token.text), differs))


def _voices(comparison: Comparison) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of each label of both sides."""
    left: dict[str, int] = {}
    right: dict[str, int] = {}
    for number, pair in enumerate(comparison.mapping or _by_position(comparison)):
        if pair.reference is not None:
            left[pair.reference] = number
        if pair.candidate is not None:
            right[pair.candidate] = number
    return left, right


def _by_position(comparison: Comparison) -> Iterator[Pair]:
    """Yield pairs for what was not mapped, because no metric could be computed."""
    yield from (Pair(label, None) for label in comparison.reference.speakers)
    yield from (Pair(None, label) for label in comparison.candidate.speakers)


def _lines(
    transcript: Transcript, marks: Mapping[int, list[tuple[str, bool]]], voices: Mapping[str, int]
) -> list[Line]:
    lines = []
    for number, utterance in enumerate(transcript.utterances):
        label = LabelStyle.DIARIZATION.label_of(utterance)
        pieces = marks.get(number)
        if pieces is None:
            pieces = [(one_line(utterance.text), False)]
        lines.append(Line(utterance.offset, label, voices.get(label, 0), tuple(_joined(pieces))))
    return lines


def _joined(pieces: Sequence[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """Join neighbors of the same kind: one mark for all words of a passage."""
    texts: list[str] = []
    for number, (text, differs) in enumerate(pieces):
        texts.append(text)
        if number + 1 == len(pieces) or pieces[number + 1][1] is not differs:
            yield " ".join(texts), differs
            texts = []


def _places_by_time(
    reference: Transcript, candidate: Transcript, voices: tuple[dict[str, int], dict[str, int]]
) -> list[int | None]:
    """Return the utterance of the reference for each of the candidate; ``None`` without any."""
    label_of = LabelStyle.DIARIZATION.label_of
    starts = [utterance.offset for utterance in reference.utterances]
    # The largest end so far: those before the first that is late enough cannot overlap.
    ends = list(accumulate((utterance.end for utterance in reference.utterances), max))
    places: list[int | None] = []
    for one in candidate.utterances:
        best, place = 0, None
        for index in range(bisect_right(ends, one.offset), bisect_left(starts, one.end)):
            other = reference.utterances[index]
            overlap = min(one.end, other.end) - max(one.offset, other.offset)
            same = voices[0].get(label_of(other)) == voices[1].get(label_of(one))
            score = overlap * (_SAME_SPEAKER if same else 1)
            if score > best:
                best, place = score, index
        places.append(place)
    return places


def _places_by_words(shared: Mapping[tuple[int, int], int], count: int) -> list[int | None]:
    best: dict[int, tuple[int, int]] = {}
    for (index, number), words in shared.items():
        best[number] = max(best.get(number, (0, 0)), (words, index))
    return [best[number][1] if number in best else None for number in range(count)]


def _rows(
    left: Sequence[Line], right: Sequence[Line], places: Sequence[int | None], *, timed: bool
) -> Iterator[Row]:
    """Yield the rows of the reference, and between them what belongs to none of them."""
    rows = [Row([line]) for line in left]
    alone: dict[int, list[Row]] = {}
    offsets = [line.offset for line in left]
    before = 0
    for line, place in zip(right, places, strict=True):
        if place is not None:
            rows[place].candidate.append(line)
            before = place + 1
        else:
            position = bisect_right(offsets, line.offset) if timed else before
            alone.setdefault(position, []).append(Row([], [line]))
    for position, row in enumerate(rows):
        yield from alone.get(position, [])
        yield row
    yield from alone.get(len(rows), [])
