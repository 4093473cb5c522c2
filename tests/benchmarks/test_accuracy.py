"""Tests of the diarization error, which the project computes by itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_FILE = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _FILE)
assert _spec is not None
assert _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

Turn = accuracy.Turn
TRUE = [Turn("a", 0.0, 2.0), Turn("b", 2.0, 4.0)]


@pytest.mark.parametrize(
    ("hypothesis", "error"),
    [
        ([Turn("1", 2.0, 4.0), Turn("2", 0.0, 2.0)], 0.0),  # names do not matter
        ([Turn("1", 0.0, 4.0)], 0.5),  # one speaker for two
        ([], 1.0),  # all missed
        ([*TRUE, Turn("c", 4.0, 5.0)], 0.25),  # a false alarm
        ([Turn("1", 0.0, 1.0), Turn("1", 2.0, 4.0), Turn("2", 1.0, 2.0)], 0.25),
        ([*TRUE, Turn("a", 2.0, 3.0)], 0.25),  # one too many at a time
    ],
)
def test_the_diarization_error(hypothesis: list[object], error: float) -> None:
    assert accuracy.diarization_error(TRUE, hypothesis) == pytest.approx(error)


def test_turns_are_read_from_rttm() -> None:
    text = (
        "SPEAKER one 1 1.500 2.000 <NA> <NA> a <NA> <NA>\n"
        "SPEAKER two 1 0.000 1.000 <NA> <NA> b <NA> <NA>\n"
    )
    assert accuracy.parse_rttm(text, "one") == [Turn("a", 1.5, 3.5)]
    assert len(accuracy.parse_rttm(text)) == 2
