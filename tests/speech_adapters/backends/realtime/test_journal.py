from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from speech_adapters.backends.realtime.journal import Journal, read_journal
from speech_adapters.errors import StoreError
from speech_adapters.transcript import Utterance, Word

FIRST = Utterance("a" * 32, "Grüße", 5, 7, None, words=(Word("Grüße", 5, 7, 0.5),))
SECOND = Utterance("b" * 32, "two", 20, 7, 1)


def test_the_last_word_on_an_utterance_holds(tmp_path: Path) -> None:
    path = tmp_path / "j.said"
    journal = Journal(path)
    corrected = attrs.evolve(FIRST, speaker=1)
    for utterance in (FIRST, SECOND, corrected):
        journal.add(utterance)
    journal.close()
    journal.close()
    assert read_journal(path) == [corrected, SECOND]
    assert path.stat().st_mode & 0o077 == 0, "only its owner may read it"


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_cut_off_costs_only_itself(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j.said"
    journal = Journal(path)
    journal.add(FIRST)
    journal.add(SECOND)
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_journal(path) == [FIRST]
    again = Journal(path)
    again.add(SECOND)
    again.close()
    assert read_journal(path) == [FIRST, SECOND]


def test_where_there_is_none_nothing_was_said(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == []


def test_a_journal_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        Journal(tmp_path / "no" / "folder").add(FIRST)
