"""Lists of meetings: which recordings they show, and what they cost."""

from __future__ import annotations

import sqlite3

import attrs
import pytest

from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.store import Outcome
from speech_adapters.store.sql.store import SqlStore
from speech_adapters.store.sqlite import SqliteStore
from speech_adapters.transcript import Provenance, Transcript, Utterance


def create(store: SqlStore, *meeting_ids: str) -> list[str]:
    """Create a recording of each meeting and return their ids."""
    requests = [MeetingRequest(name, mode=Mode.STORED) for name in meeting_ids]
    return [store.create(request, "local").id for request in requests]


def listed(store: SqlStore, prefix: str, limit: int = 100, before: str = "") -> list[str]:
    return [found.meeting_id for found in store.summaries(prefix, limit, before)]


def test_a_list_has_the_meetings_of_a_prefix_the_newest_first(store: SqlStore) -> None:
    create(store, "a/1", "b/1", "a/2", "ab/1", "a", "a/", "A/1")
    assert listed(store, "a/") == ["a/", "a/2", "a/1"]
    assert listed(store, "a/2") == ["a/2"]
    assert listed(store, "a") == ["a/", "a", "ab/1", "a/2", "a/1"]
    assert listed(store, "") == ["A/1", "a/", "a", "ab/1", "a/2", "b/1", "a/1"]
    assert listed(store, "c/") == []


@pytest.mark.parametrize("prefix", ["%/", "_/", "*/", "[a]/", "a'/", "ü/", "🎉/", "\\/", "?/", '"'])
def test_no_character_of_a_prefix_has_a_special_meaning(store: SqlStore, prefix: str) -> None:
    create(store, "a/1", "x/1", "aa/1", "u/1", f"{prefix}1", f"{prefix}%_*")
    assert listed(store, prefix) == [f"{prefix}%_*", f"{prefix}1"]


def test_a_list_has_the_newest_recording_of_each_meeting(store: SqlStore) -> None:
    _, _, third = create(store, "a/1", "a/2", "a/1")
    assert listed(store, "a/") == ["a/1", "a/2"]
    assert store.summaries("a/", 1)[0].recording_id == third


def test_pages_join_to_the_whole_list(store: SqlStore) -> None:
    create(store, *(f"{owner}/{number % 7}" for number in range(20) for owner in "ab"))
    pages, before = list[str](), ""
    while page := store.summaries("a/", 3, before):
        pages += [found.meeting_id for found in page]
        before = page[-1].recording_id
    assert pages == listed(store, "a/") == [f"a/{number}" for number in (5, 4, 3, 2, 1, 0, 6)]


def test_no_page_follows_a_recording_that_does_not_exist(store: SqlStore) -> None:
    create(store, "a/1")
    assert listed(store, "a/", before="0" * 32) == []


def test_a_summary_states_how_far_a_meeting_is(store: SqlStore) -> None:
    (key,) = create(store, "m")
    (summary,) = store.summaries("m", 1)
    assert (summary.state, summary.duration, summary.speakers) == (JobState.UPLOADING, None, None)
    assert summary.created == store.get(key).created
    store.close_audio(key, 32_000)
    store.update(key, progress=0.25, step="uploading")
    (summary,) = store.summaries("m", 1)
    assert (summary.duration, summary.progress, summary.step) == (10_000_000, 0.25, "uploading")
    texts = [Utterance(str(n), "Hello.", n, 1, speaker) for n, speaker in enumerate((4, None, 7))]
    store.complete(key, Transcript("m", tuple(texts), 9_000_000, Provenance("local", "1")))
    (summary,) = store.summaries("m", 1)
    assert (summary.state, summary.duration, summary.speakers) == (JobState.COMPLETED, 9_000_000, 2)
    assert not summary.has_audio


def test_a_list_leaves_out_deleted_meetings_and_its_pages_stay_full(store: SqlStore) -> None:
    first, _, third, _, _ = create(store, "a/1", "a/2", "a/1", "a/3", "a/4")
    store.delete(first)
    store.delete(third)
    assert listed(store, "a/", limit=3) == ["a/4", "a/3", "a/2"]
    assert listed(store, "a/", before=third) == ["a/2"]


def test_a_damaged_recording_hides_no_other(store: SqlStore) -> None:
    _, damaged = create(store, "a/1", "a/2")
    with store._database.transaction() as connection:
        connection.execute("UPDATE recordings SET request = '{' WHERE id = ?", (damaged,))
    assert [found.state for found in store.summaries("a/", 9)] == [
        JobState.FAILED,
        JobState.UPLOADING,
    ]


def steps(store: SqlStore, prefix: str) -> int:
    """Return how many instructions SQLite's machine runs for a page of ten."""
    assert isinstance(store, SqliteStore)
    connection = store._database._connection
    assert isinstance(connection, sqlite3.Connection)
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    assert len(store.summaries(prefix, 10)) == 10
    connection.set_progress_handler(None, 1)
    return count


@pytest.mark.database("sqlite")
def test_a_page_costs_the_same_with_many_old_meetings(store: SqlStore) -> None:
    create(store, *(f"old/{number}" for number in range(20)))
    create(store, *(f"{owner}/{number}" for number in range(20) for owner in ("few", "many")))
    before = [steps(store, prefix) for prefix in ("few/", "many/", "")]
    copies = """
        INSERT INTO recordings (id, meeting_id, backend, state, created, updated, request, number)
        WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 5000)
        SELECT 'copy' || n || owner, owner || '/copy ' || n, 'local', 'Completed', created, updated,
        request, -2 * n - (owner = 'old') FROM counter,
        (SELECT 'many' AS owner UNION ALL SELECT 'old'), recordings WHERE meeting_id = 'old/0'
    """
    with store._database.transaction() as connection:
        connection.execute(copies)
    assert [steps(store, prefix) for prefix in ("few/", "many/", "")] == before


def test_a_summary_is_made_of_a_recording_of_any_state(store: SqlStore) -> None:
    (key,) = create(store, "m")
    recording = attrs.evolve(store.get(key), audio_bytes=320, keep_audio=True)
    kept = {state: attrs.evolve(recording, state=state).summary().has_audio for state in JobState}
    assert kept == {state: state is not JobState.DELETED for state in JobState}


def test_outcomes_are_those_of_the_newest_recordings(store: SqlStore) -> None:
    old, done, failed, copied, _ = create(store, "m/1", "m/2", "m/3", "m/4", "m/5")
    store.delete(old)
    (newest,) = create(store, "m/1")
    store.close_audio(newest, 2, ("A note.",))
    store.complete(done, Transcript("m/2", (), 7, Provenance("local", "1")))
    store.fail(failed, "for a reason")
    # A copy that does not count yet.
    store.create(MeetingRequest("m/4", mode=Mode.STORED), "local", replaces=copied)
    found = {one.meeting_id: one for one in store.outcomes([f"m/{n}" for n in (1, 2, 3, 4, 9)])}
    assert found == {
        "m/1": Outcome("m/1", newest, JobState.PROCESSING, "", ("A note.",), None),
        "m/2": Outcome("m/2", done, JobState.COMPLETED, "", (), 7),
        "m/3": Outcome("m/3", failed, JobState.FAILED, "for a reason", (), None),
        "m/4": Outcome("m/4", copied, JobState.UPLOADING, "", (), None),
    }
    assert store.outcomes([]) == []


def test_a_damaged_record_has_failed(store: SqlStore) -> None:
    (key,) = create(store, "m")
    with store._database.transaction() as connection:
        connection.execute("UPDATE recordings SET notes = '{' WHERE id = ?", (key,))
    (found,) = store.outcomes(["m"])
    assert found.state is JobState.FAILED
    assert "it is damaged" in found.reason


@pytest.mark.database("sqlite")
def test_outcomes_cost_the_same_beside_any_number_of_meetings(store: SqlStore) -> None:
    assert isinstance(store, SqliteStore)
    rows = store._database.rows(
        "EXPLAIN QUERY PLAN SELECT meeting_id, id, state, reason, notes, duration FROM recordings"
        " WHERE meeting_id IN (SELECT value FROM json_each(?)) AND replaces = '' ORDER BY number",
        "[]",
    )
    assert "USING INDEX recordings_by_meeting (meeting_id=?)" in str(rows)
