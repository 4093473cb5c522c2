"""Small cases whose figures were computed by hand."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable

import pytest

from speech_adapters import extras
from speech_adapters.comparison import Comparison, compare
from speech_adapters.comparison.alignment import Pair, WordErrors
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document


def text(content: str) -> Document:
    return parse_document(content.encode(), "x", "text")


def rttm(*turns: tuple[str, float, float]) -> Document:
    lines = (
        f"SPEAKER x 1 {start} {end - start} <NA> <NA> {label} <NA> <NA>\n"
        for label, start, end in turns
    )
    return parse_document("".join(lines).encode(), "x", "rttm")


pytest.importorskip("rapidfuzz", reason="the extra compare is not installed")
pytest.importorskip("scipy", reason="the extra compare is not installed")


@pytest.mark.parametrize(
    ("reference", "candidate", "counts"),
    [
        ("A: one two three", "B: One, two three!", (3, 0, 0, 0)),
        ("A: one two three", "B: one three", (3, 0, 1, 0)),
        ("A: one two three", "B: one two two and three", (3, 2, 0, 0)),
        ("A: one two three", "B: one too three", (3, 0, 0, 1)),
        # One more word, one less, one other.
        ("A: a b c d", "B: x a b e", (4, 1, 1, 1)),
    ],
)
def test_word_errors(reference: str, candidate: str, counts: tuple[int, ...]) -> None:
    found = compare(text(reference), text(candidate))
    assert found.wer == found.cpwer == WordErrors(*counts)
    assert found.rate("wer") == sum(counts[1:]) / counts[0]


def test_a_word_at_the_wrong_speaker_counts_twice_for_cpwer_only() -> None:
    found = compare(text("A: one two\nB: three four"), text("X: one two three\nY: four"))
    assert found.wer == WordErrors(4, 0, 0, 0)
    # "three" is inserted for A and deleted for B.
    assert found.cpwer == WordErrors(4, 1, 1, 0)
    assert found.mapping == (Pair("A", "X"), Pair("B", "Y"))


def test_speakers_are_mapped_with_as_few_errors_as_possible() -> None:
    reference = text("A: one two\nB: three four\nA: five")
    candidate = text("X: three four\nY: one two five\nZ: six seven")
    found = compare(reference, candidate)
    assert found.mapping == (Pair("A", "Y"), Pair("B", "X"), Pair(None, "Z"))
    assert found.cpwer == WordErrors(5, 2, 0, 0)
    found = compare(candidate, reference)
    assert found.mapping == (Pair("X", "B"), Pair("Y", "A"), Pair("Z", None))
    assert found.cpwer == WordErrors(7, 0, 2, 0)


def test_nothing_recognized_is_a_result() -> None:
    empty = parse_document(
        b'{"format": "speech-compat transcript", "version": 1, "utterances": []}', "x"
    )
    stm = parse_document(b"x 1 A 0 2 one two\n", "x")
    found = compare(stm, empty)
    assert found.wer == found.cpwer == WordErrors(2, 0, 2, 0)
    assert found.rate("cpwer") == 1.0
    if found.der is not None:
        assert found.rate("der") == 1.0


def test_case_and_punctuation_count_if_that_is_wanted() -> None:
    found = compare(text("A: One, two"), text("B: one two"), normalized=False)
    assert found.wer == WordErrors(2, 0, 0, 1)


def test_missing_words_and_times_have_a_reason() -> None:
    turns, words = rttm(("A", 0, 1)), text("A: one")
    found = compare(turns, words)
    assert found.missing["wer"] == found.missing["cpwer"] == "the reference has no words"
    assert found.missing["der"] == "the candidate has no turns with begin and end"
    found = compare(words, turns)
    assert found.missing["wer"] == "the candidate has no words"
    assert found.missing["der"] == "the reference has no turns with begin and end"
    assert (found.wer, found.rate("der"), found.mapping) == (None, None, ())


# A: 0-10, B: 10-20.
REFERENCE = (("A", 0.0, 10.0), ("B", 10.0, 20.0))


def der(*candidate: tuple[str, float, float], collar: float = 0.0) -> Comparison:
    pytest.importorskip("pyannote.metrics", reason="the extra compare is not installed")
    return compare(rttm(*REFERENCE), rttm(*candidate), collar=collar)


def test_turns_that_are_equal_have_no_errors() -> None:
    found = der(("x", 0.0, 10.0), ("y", 10.0, 20.0))
    assert found.der is not None
    assert (found.der.speech, found.rate("der")) == (20.0, 0.0)
    assert found.mapping == (Pair("A", "x"), Pair("B", "y"))


def test_missed_and_false_and_confused_speech() -> None:
    # x is 2 s too long, y starts 1 s too early (in x) and ends 3 s too early; z speaks after B.
    found = der(("x", 0.0, 12.0), ("y", 12.0, 17.0), ("z", 20.0, 21.0))
    assert found.der is not None
    assert found.der.missed == pytest.approx(3.0)
    assert found.der.false_alarm == pytest.approx(1.0)
    assert found.der.confused == pytest.approx(2.0)
    assert found.rate("der") == pytest.approx(6 / 20)
    assert found.mapping == (Pair("A", "x"), Pair("B", "y"), Pair(None, "z"))


def test_overlapping_speech_counts_for_each_speaker() -> None:
    found = der(("x", 0.0, 20.0), ("y", 10.0, 20.0))
    assert found.der is not None
    assert found.der.false_alarm == pytest.approx(10.0)
    assert found.rate("der") == pytest.approx(0.5)


def test_the_collar_is_that_of_each_side_of_a_boundary() -> None:
    # The boundary at 10 is 0.5 s too late.  Each end of the two turns is left out too.
    late = (("x", 0.0, 10.5), ("y", 10.5, 20.0))
    assert der(*late).rate("der") == pytest.approx(0.5 / 20)
    assert der(*late, collar=0.25).rate("der") == pytest.approx(0.25 / 19)
    assert der(*late, collar=0.5).rate("der") == 0.0


def test_a_collar_that_leaves_nothing_to_score() -> None:
    found = der(("x", 0.0, 20.0), collar=15)
    assert found.der is None
    assert "collar" in found.missing["der"]


def test_what_the_times_are() -> None:
    word = '{"text": "one", "offset": %d, "duration": 10000000}'
    line = (
        '{"format": "speech-compat transcript", "version": 1, "utterances":'
        ' [{"text": "one two", "speaker": "A", "offset": 0, "duration": 50000000, "words": [%s]}]}'
    )
    words = parse_document((line % f"{word % 0}, {word % 40_000_000}").encode(), "x")
    plain = parse_document((line % "").encode(), "x")
    found = compare(words, plain)
    assert (found.reference.times, found.candidate.times) == ("words", "utterances")
    # With words, the pause between them is no speech.
    assert (found.reference.speech, found.candidate.speech) == (2.0, 5.0)
    assert compare(rttm(*REFERENCE), text("A: a")).reference.times == "turns"


@pytest.mark.parametrize(
    ("module", "missing"),
    [("rapidfuzz", {"wer", "cpwer"}), ("scipy", {"cpwer"}), ("pyannote.metrics", {"der"})],
)
def test_a_metric_whose_library_is_missing_is_not_computed(
    monkeypatch: pytest.MonkeyPatch, module: str, missing: set[str]
) -> None:
    pytest.importorskip("pyannote.metrics", reason="the extra compare is not installed")
    whole: Callable[[str], bool] = extras._is_installed
    monkeypatch.setattr(extras, "_is_installed", lambda name: name != module and whole(name))
    stm = parse_document(b"x 1 A 0 2 one two\n", "x")
    found = compare(stm, stm)
    assert set(found.missing) == missing
    for metric in missing:
        assert 'pip install "speech-compat[compare]"' in found.missing[metric]
        assert found.rate(metric) is None


def test_no_library_is_imported_for_a_metric_that_is_not_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = builtins.__import__

    def check(name: str, *arguments: object, **more: object) -> object:
        assert not name.startswith(("pyannote", "rapidfuzz", "scipy")), name
        return whole(name, *arguments, **more)  # type: ignore[arg-type]

    for name in [name for name in sys.modules if name.startswith(("pyannote", "rapidfuzz"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", check)
    assert set(compare(rttm(("A", 0, 1)), text("A: one")).missing) == {"wer", "cpwer", "der"}
