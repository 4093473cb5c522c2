"""The report of a backlog, as JSON and as a page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.backlog.items import Change, Entry, ItemState, Problem
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.backlog.page import write_page
from speech_adapters.backlog.report import write_report

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a backlog with a recording in each state."""
    with Journal(journal_path(tmp_path, "calls"), create=True) as journal:
        journal.store_fact("manifest", f"/{SCRIPT}.csv")
        names = ("done", "same", "bad", "open", "waiting")
        entries = [
            Entry(n, f"/c/{name}.wav", language="en-US", size=8, id=f"id-{name}")
            for n, name in enumerate(names, 1)
        ]
        list(journal.read([*entries, Problem(6, "", SCRIPT)]))
        journal.examined(
            [
                (item, "done" if item.number < 3 else item.source, 36_000_000_000, "")
                for item in journal.unexamined()
            ]
        )
        journal.mark_duplicates()
        journal.apply(
            [
                Change(1, ItemState.COMPLETED, "A note."),
                Change(3, ItemState.FAILED, f"Refused. {SCRIPT}"),
                Change(4, ItemState.RECORDED),
            ]
        )
        yield journal


def test_the_document_has_the_numbers_and_each_recording(journal: Journal) -> None:
    found = json.loads("".join(write_report(journal)))
    assert (found["format"], found["version"], found["name"]) == (
        "speech-compat backlog",
        1,
        "calls",
    )
    assert found["counts"] == dict.fromkeys(found["counts"], 1)
    assert found["transcribed_seconds"] == 3600.0
    states = ["completed", "duplicate", "failed", "recorded", "waiting", "invalid"]
    assert [item["state"] for item in found["items"]] == states
    done, same, bad, _, waiting, invalid = found["items"]
    assert done["meeting_id"].startswith("backlog:calls/")
    assert done["meeting_id"] == same["meeting_id"]
    assert (done["seconds"], done["bytes"], done["id"]) == (3600.0, 8, "id-done")
    assert same["duplicate_of"] == "/c/done.wav"
    assert bad["reason"] == f"Refused. {SCRIPT}"
    assert waiting["meeting_id"] is None
    assert (invalid["line"], invalid["meeting_id"]) == (6, None)


def test_an_empty_report_is_a_document(tmp_path: Path) -> None:
    with Journal(journal_path(tmp_path, "empty"), create=True) as journal:
        assert json.loads("".join(write_report(journal)))["items"] == []


def test_the_page_begins_with_what_failed_and_runs_no_text(journal: Journal) -> None:
    page = "".join(write_page(journal))
    rows = re.findall(r'<tr data-state="(\w+)">(.*?)</tr>', page)
    assert [state for state, _ in rows][:2] == ["failed", "invalid"]
    assert len(rows) == 6
    assert "Refused. &lt;script&gt;" in rows[0][1]
    assert "/c/bad.wav" in rows[0][1]
    assert "01:00:00" in rows[0][1]
    (duplicate,) = [text for state, text in rows if state == "duplicate"]
    assert "The same content as /c/done.wav" in duplicate
    assert SCRIPT not in page
    assert page.count("<script>") == 1
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
