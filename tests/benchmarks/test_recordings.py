"""Tests of what the accuracy benchmark reads; its error rates are computed by libraries."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.recordings import Recording, Turn, find_recordings, parse_rttm

RTTM = (
    "SPEAKER one 1 1.500 2.000 <NA> <NA> a <NA> <NA>\n"
    "SPEAKER two 1 0.000 1.000 <NA> <NA> b <NA> <NA>\n"
)


def test_turns_are_read_from_rttm() -> None:
    assert parse_rttm(RTTM, "one") == [Turn("a", 1.5, 3.5)]
    assert len(parse_rttm(RTTM)) == 2


def test_recordings_are_found_with_their_references(tmp_path: Path) -> None:
    for name in ("azure/katiesteve_mono", "ami/one", "librispeech/lib"):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir()
        path.touch()
    (tmp_path / "ami" / "debug.development.rttm").write_text(RTTM)
    reference = {
        "words": [{"speaker": "7", "text": "good morning", "start": 0.5, "end": 1.5}],
        "segments": [{"speaker": "7", "start": 0.5, "end": 1.5}],
    }
    (tmp_path / "librispeech" / "lib.json").write_text(json.dumps(reference))
    talk, turns, both = find_recordings(tmp_path)
    assert (talk.speakers, len(talk.texts), talk.turns) == (2, 6, ())
    assert turns == Recording(turns.path, turns=(Turn("a", 1.5, 3.5),))
    assert (both.texts, both.turns) == ((("7", "good morning"),), (Turn("7", 0.5, 1.5),))
    assert both.speakers == 1
