"""The journal: what a process that dies leaves to the next one."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from speech_adapters.contract import MeetingRequest
from speech_adapters.errors import StoreError
from speech_adapters.speech_sdk.journal import Journal, journal_path, read_journal
from speech_adapters.store import Store
from speech_adapters.transcript import Utterance, Word

FIRST = Utterance("a" * 32, "Grüße", 5, 7, None, words=(Word("Grüße", 5, 7, 0.5),))
SECOND = Utterance("b" * 32, "two", 20, 7, 1)


def test_the_last_line_of_an_utterance_counts(tmp_path: Path) -> None:
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


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == []


def test_a_journal_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "j.said"
    lines = (json.dumps(attrs.asdict(utterance)) for utterance in (FIRST, SECOND))
    path.write_text("\n" + "\n".join(lines), encoding="utf-8")
    assert read_journal(path) == [FIRST, SECOND]


def test_a_journal_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_journal(tmp_path)


def test_its_file_has_the_name_that_recordings_in_flight_use(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        recording = store.create(MeetingRequest("m"), "realtime")
    assert journal_path(recording) == tmp_path / "audio" / f"{recording.id}.said"


def test_a_journal_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        Journal(tmp_path / "no" / "folder").add(FIRST)
