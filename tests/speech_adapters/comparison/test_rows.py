from __future__ import annotations

import pytest

from speech_adapters.comparison import Row, compare, line_up
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document

pytest.importorskip("rapidfuzz", reason="the extra compare is not installed")
pytest.importorskip("scipy", reason="the extra compare is not installed")


def stm(*turns: tuple[str, float, float, str]) -> Document:
    lines = (f"x 1 {label} {start} {end} {said}\n" for label, start, end, said in turns)
    return parse_document("".join(lines).encode(), "x", "stm")


def text(content: str) -> Document:
    return parse_document(content.encode(), "x", "text")


def rows(reference: Document, candidate: Document) -> list[Row]:
    return line_up(reference, candidate, compare(reference, candidate))


def shown(found: list[Row]) -> list[tuple[list[str], list[str]]]:
    """Return the texts of both sides of each row, with marks around what differs."""
    return [
        (
            [" ".join(f"[{t}]" if d else t for t, d in line.pieces) for line in row.reference],
            [" ".join(f"[{t}]" if d else t for t, d in line.pieces) for line in row.candidate],
        )
        for row in found
    ]


def test_differing_words_are_marked_with_their_punctuation() -> None:
    found = rows(
        stm(("A", 0, 2, "One, two three."), ("B", 2, 3, "Four!")),
        stm(("x", 0, 2, "one too, three and"), ("y", 2, 3, "four")),
    )
    assert shown(found) == [
        (["One, [two] three."], ["one [too,] three [and]"]),
        (["Four!"], ["four"]),
    ]
    assert [row.differs for row in found] == [True, False]


def test_a_division_into_other_utterances_is_no_difference() -> None:
    found = rows(
        stm(("A", 0, 2, "One two."), ("A", 2, 4, "Three four.")),
        stm(("x", 0, 1, "One"), ("x", 1, 4, "two three four.")),
    )
    assert shown(found) == [
        (["One two."], ["One"]),
        (["Three four."], ["two three four."]),
    ]


def test_a_word_at_the_wrong_speaker_is_marked_on_both_sides() -> None:
    found = rows(
        stm(("A", 0, 2, "one two"), ("B", 2, 4, "three four")),
        stm(("x", 0, 3, "one two three"), ("y", 3, 4, "four")),
    )
    assert shown(found) == [
        (["one two"], ["one two [three]"]),
        (["[three] four"], ["four"]),
    ]


def test_an_utterance_is_beside_the_same_speaker_rather_than_the_longer_overlap() -> None:
    reference = stm(("A", 0, 10, "a b c d e f"), ("B", 6, 10, "x y"))
    candidate = stm(("p", 0, 5, "a b c d e f"), ("q", 5, 10, "x y"))
    assert shown(rows(reference, candidate)) == [
        (["a b c d e f"], ["a b c d e f"]),
        (["x y"], ["x y"]),
    ]


def test_what_has_no_counterpart_has_a_row_at_its_time() -> None:
    found = rows(
        stm(("A", 0, 1, "one"), ("A", 10, 11, "two")),
        stm(("x", 0, 1, "one"), ("y", 5, 6, "noise"), ("x", 10, 11, "two"), ("y", 20, 21, "end")),
    )
    assert shown(found) == [
        (["one"], ["one"]),
        ([], ["[noise]"]),
        (["two"], ["two"]),
        ([], ["[end]"]),
    ]
    assert [row.offset for row in found] == [0, 50_000_000, 100_000_000, 200_000_000]


def test_texts_without_times_are_beside_the_words_they_share() -> None:
    found = rows(
        text("A: one two three\nB: four five\nA: six"),
        text("X: one two\nX: three\nY: noise\nY: four five\nX: six"),
    )
    assert shown(found) == [
        (["one two three"], ["one two", "three"]),
        ([], ["[noise]"]),
        (["four five"], ["four five"]),
        (["six"], ["six"]),
    ]


def test_the_same_speakers_have_the_same_number() -> None:
    found = rows(
        stm(("A", 0, 1, "one"), ("B", 1, 2, "two")), stm(("x", 0, 1, "two"), ("y", 1, 2, "one"))
    )
    voices = [(row.reference[0].voice, row.candidate[0].voice) for row in found]
    assert voices == [(0, 1), (1, 0)]


def test_turns_without_words_have_rows_too() -> None:
    turns = parse_document(b"SPEAKER x 1 0 2 <NA> <NA> A <NA> <NA>\n", "x")
    found = rows(turns, stm(("x", 0, 2, "one two")))
    assert shown(found) == [([""], ["one two"])]
    assert not found[0].differs
