"""The files of an export: one for each recording, the same ones each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.backlog.items import Change, Entry, ItemState, Problem
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.backlog.targets import assign_targets


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(journal_path(tmp_path, "calls"), create=True) as journal:
        yield journal


def fill(journal: Journal, *sources: str) -> None:
    entries = [
        Entry(n, s, address=f"{s}?sig=1" if s.startswith("http") else "", language="en-US")
        for n, s in enumerate(sources, 1)
    ]
    list(journal.read([*entries, Problem(99, "", "Bad.")]))
    while page := journal.unexamined():
        journal.examined([(item, item.source, 1, "") for item in page])
    journal.mark_duplicates()
    journal.apply(
        [Change(item.number, ItemState.COMPLETED) for item in journal.page(ItemState.WAITING)]
    )


def names(journal: Journal) -> list[str]:
    return [str(path) for _, path in assign_targets(journal, Path("out"), "txt")]


def test_names_begin_below_the_folder_that_all_have_in_common(journal: Journal) -> None:
    fill(journal, "/calls/2026/a.wav", "/calls/2026/b/c.mp3", "/calls/d.tar.wav")
    assert names(journal) == ["out/2026/a.txt", "out/2026/b/c.txt", "out/d.tar.txt"]


def test_no_two_recordings_have_the_same_file(journal: Journal) -> None:
    fill(journal, "/c/x.wav", "/c/x.mp3", "/c/X.wav", "/c/x.wav.mp3", "/c/y.wav")
    found = names(journal)
    assert len({name.casefold() for name in found}) == 5
    assert found == names(journal)
    assert found[:2] == ["out/x.wav.txt", "out/x.mp3.txt"]
    assert found[4] == "out/y.txt"


def test_names_stay_while_others_are_not_transcribed_yet(journal: Journal) -> None:
    fill(journal, "/c/x.wav", "/c/x.mp3", "/c/y.wav")
    before = names(journal)
    journal.apply([Change(1, ItemState.FAILED, "Bad.")])
    assert names(journal) == before[1:]


def test_addresses_lead_nowhere_else(journal: Journal) -> None:
    fill(
        journal,
        "https://host/a/b%20c.wav",
        "https://host/../../etc/x.wav",
        "https://host/%2e%2e/%2e%2e/y.wav",
        "https://other/..\\..\\z.wav",
    )
    found = names(journal)
    assert found[0] == "out/host/a/b c.txt"
    assert all(".." not in Path(name).parts for name in found)
    assert all(name.startswith(("out/host/", "out/other/")) for name in found)


def test_a_repeated_line_has_the_file_of_the_first(journal: Journal) -> None:
    fill(journal, "/c/x.wav", "/c/x.wav", "/c/y.wav")
    assert names(journal) == ["out/x.txt", "out/y.txt"]


def test_a_duplicate_has_a_file_of_its_own(journal: Journal) -> None:
    list(journal.read([Entry(1, "/c/x.wav"), Entry(2, "/c/y.wav")]))
    journal.examined([(item, "same", 1, "") for item in journal.unexamined()])
    journal.mark_duplicates()
    assert names(journal) == []
    journal.apply([Change(1, ItemState.COMPLETED)])
    assert names(journal) == ["out/x.txt", "out/y.txt"]
