"""The journal of a backlog: what it keeps of a manifest that is read again, and of each run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from speech_adapters.backlog.items import Change, Counts, Entry, ItemState, Problem, meeting_key
from speech_adapters.backlog.journal import (
    Journal,
    journal_names,
    journal_path,
    lock_backlog,
)
from speech_adapters.errors import ConfigurationError, MeetingBusyError, StoreError


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(journal_path(tmp_path, "calls"), create=True) as journal:
        yield journal


def entry(number: int, **values: Any) -> Entry:
    found = Entry(number, f"/calls/{number}.wav", stamp="1 1", size=10, language="en-US")
    return attrs.evolve(found, **values)


def read(journal: Journal, *found: Entry | Problem) -> None:
    assert list(journal.read(found))[-1:] == ([len(found)] if found else [])


def examine(journal: Journal, content: str = "") -> None:
    """Store the content of each recording: its own, or the same for all."""
    while page := journal.unexamined():
        journal.examined([(item, content or item.source, 50, "") for item in page])
    journal.mark_duplicates()


def states(journal: Journal) -> list[str]:
    return [item.state.value for item in journal.items()]


def test_recordings_keep_their_state_when_the_manifest_is_read_again(journal: Journal) -> None:
    read(journal, entry(1), entry(2), entry(3))
    examine(journal)
    journal.apply([Change(1, ItemState.COMPLETED, duration=7), Change(2, ItemState.RECORDED)])
    read(journal, entry(1, title="new"), entry(2), entry(3), entry(4))
    assert states(journal) == ["completed", "recorded", "waiting", "waiting"]
    first = journal.get(1)
    assert first is not None
    assert (first.title, first.duration, bool(first.ended)) == ("new", 7, True)
    assert [item.number for item in journal.unexamined()] == [4]


def test_a_recording_whose_content_may_be_another_one_begins_anew(journal: Journal) -> None:
    read(journal, entry(1))
    examine(journal)
    journal.apply([Change(1, ItemState.COMPLETED, "note", 7)])
    read(journal, entry(1, stamp="2 2"))
    (item,) = journal.items()
    assert (item.state, item.key, item.duration, item.reason) == (ItemState.WAITING, "", None, "")


def test_what_the_manifest_has_no_more_is_removed_unless_it_was_begun(journal: Journal) -> None:
    read(journal, entry(1), entry(2), entry(3), entry(4), Problem(5, "", "Bad."))
    examine(journal)
    changes = {1: ItemState.COMPLETED, 2: ItemState.RECORDED, 3: ItemState.FAILED}
    journal.apply([Change(number, state) for number, state in changes.items()])
    read(journal, entry(9))
    assert states(journal) == ["completed", "recorded", "waiting"]


def test_of_the_same_content_only_the_first_is_transcribed(journal: Journal) -> None:
    read(journal, entry(1), entry(2), entry(3, language="de-DE"), entry(4, speakers=2), entry(1))
    examine(journal, "same")
    assert states(journal) == ["waiting", "duplicate", "waiting", "waiting", "duplicate"]
    assert [item.original for item in journal.items()] == [None, 1, None, None, 1]
    # Without the first one, the second is no duplicate any more.
    read(journal, entry(2))
    journal.mark_duplicates()
    assert states(journal) == ["waiting"]


def test_a_line_that_can_be_used_now_is_no_problem_any_more(journal: Journal) -> None:
    read(journal, Problem(1, "/calls/1.wav", "Missing."), entry(2))
    assert journal.counts() == Counts(waiting=1, invalid=1)
    assert [item.reason for item in journal.problems(5)] == ["Missing."]
    read(journal, entry(1), entry(2))
    assert journal.counts() == Counts(waiting=2)


def test_the_estimate_has_what_is_waiting(journal: Journal) -> None:
    read(journal, entry(1), entry(2), entry(3), entry(4, size=None))
    examine(journal)
    journal.examined([(item, "x", None, "") for item in journal.items() if item.number == 4])
    journal.apply([Change(1, ItemState.COMPLETED, duration=9)])
    found = journal.estimate()
    assert (found.size, found.duration, found.unknown) == (20, 100, 1)
    assert found.counts == Counts(waiting=3, completed=1)
    assert journal.completed_ticks() == 9


def test_an_address_is_forgotten_once_it_was_transcribed(journal: Journal) -> None:
    address = "https://host/1.wav?sig=secret"
    read(journal, entry(1, address=address), entry(2, address=address))
    examine(journal)
    journal.apply([Change(1, ItemState.COMPLETED), Change(2, ItemState.FAILED, "Bad.")])
    assert [item.address for item in journal.items()] == ["", address]
    read(journal, entry(1, address=address), entry(2, address=address))
    assert [item.address for item in journal.items()] == ["", address]
    journal.apply([Change(2, ItemState.COMPLETED)])
    journal.forget()
    assert b"secret" not in journal.path.read_bytes()
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_failed_recordings_are_retried(journal: Journal) -> None:
    read(journal, entry(1), entry(2))
    examine(journal)
    journal.apply([Change(1, ItemState.FAILED, "Bad.", attempts=2)])
    assert journal.retry() == 1
    item = journal.get(1)
    assert item is not None
    assert (item.state, item.retried, item.attempts, item.reason) == (
        ItemState.WAITING,
        True,
        0,
        "",
    )
    journal.apply([Change(1, ItemState.WAITING, attempts=1)])
    item = journal.get(1)
    assert item is not None
    assert (item.retried, item.attempts) == (False, 1)


def test_pages_have_all_recordings(journal: Journal) -> None:
    read(journal, *map(entry, range(1, 1203)))
    assert [item.line for item in journal.items()] == list(range(1, 1203))
    assert [item.line for item in journal.page(ItemState.WAITING, 1200)] == [1201, 1202]
    assert journal.page(ItemState.FAILED) == []


def test_facts_and_states_survive(tmp_path: Path, journal: Journal) -> None:
    journal.store_fact("manifest", "x")
    journal.store_fact("manifest", "y")
    read(journal, entry(1))
    with Journal(journal.path) as other:
        assert other.fact("manifest") == "y"
        assert other.fact("none") == ""
        assert other.counts() == Counts(waiting=1)
    assert journal_names(tmp_path) == ["calls"]
    assert journal.name == "calls"


def test_a_backlog_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no backlog calls"):
        Journal(journal_path(tmp_path, "calls"))
    assert journal_names(tmp_path) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "x" * 65, "ä"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name of a backlog"):
        journal_path(tmp_path, name)


def test_a_backlog_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    busy = pytest.raises(MeetingBusyError, match="The backlog a is being run")
    with lock_backlog(tmp_path, "a"), lock_backlog(tmp_path, "b"), busy:
        lock_backlog(tmp_path, "a")
    lock_backlog(tmp_path, "a").release()


def test_a_damaged_or_newer_journal_is_an_error(tmp_path: Path, journal: Journal) -> None:
    newer = journal_path(tmp_path, "newer")
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        Journal(newer)
    damaged = journal_path(tmp_path, "damaged")
    damaged.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        Journal(damaged)


def test_a_deleted_journal_is_gone(tmp_path: Path, journal: Journal) -> None:
    journal.delete()
    assert list(journal.path.parent.iterdir()) == []
    with pytest.raises(StoreError):
        journal.counts()


def test_the_key_depends_on_content_language_and_speakers() -> None:
    keys = [
        meeting_key("a", "en-US", None),
        meeting_key("b", "en-US", None),
        meeting_key("a", "de-DE", None),
        meeting_key("a", "en-US", 2),
    ]
    assert len(set(keys)) == 4
    assert meeting_key("a", "EN-us", None) == keys[0]
