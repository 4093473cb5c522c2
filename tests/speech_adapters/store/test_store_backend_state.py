"""What a backend stores with a recording: progress, its own state, polls, cleanups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from double.disk import files_with
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.store import OpenState
from speech_adapters.store.sql.store import SqlStore
from speech_adapters.transcript import Provenance, Transcript, Utterance

REQUEST = MeetingRequest("standup", mode=Mode.STORED)
SECRET = "chrysanthemum"


def transcript() -> Transcript:
    spoken = (Utterance("0" * 32, "Good morning.", 0, 10),)
    return Transcript("standup", spoken, 20, Provenance("batch", "1.0"))


def test_an_update_changes_only_what_is_given(store: SqlStore) -> None:
    recording = store.create(REQUEST, "batch")
    assert (recording.step, recording.backend_state) == ("", "")
    assert (recording.next_poll, recording.fallback) == (0.0, "")
    store.update(recording.id, backend_state='{"job": 1}', next_poll=12.5)
    store.update(recording.id, step="uploading", progress=0.5)
    store.update(recording.id)
    updated = store.get(recording.id)
    assert (updated.step, updated.backend_state) == ("uploading", '{"job": 1}')
    assert (updated.next_poll, updated.progress) == (12.5, 0.5)
    assert updated.status().step == "uploading"
    assert updated.updated > recording.updated
    store.update(recording.id, step="", backend_state="", next_poll=0.0, progress=0.0)
    cleared = store.get(recording.id)
    assert (cleared.step, cleared.backend_state) == ("", "")
    assert (cleared.next_poll, cleared.progress) == (0.0, 0.0)


@pytest.mark.parametrize("end", ["complete", "fail", "delete"])
def test_a_final_recording_has_no_step_and_keeps_its_progress(store: SqlStore, end: str) -> None:
    key = store.create(REQUEST, "batch").id
    store.update(key, step="uploading", progress=0.5)
    ends: dict[str, Callable[[], object]] = {
        "complete": lambda: store.complete(key, transcript()),
        "fail": lambda: store.fail(key, "It was refused."),
        "delete": lambda: store.delete(key),
    }
    ends[end]()
    final = store.get(key)
    assert final.step == final.status().step == ""
    store.update(key, step="late", progress=0.25, backend_state="{}", next_poll=1.0)
    changed = attrs.evolve(final, backend_state="{}", next_poll=1.0)
    assert attrs.evolve(store.get(key), updated=final.updated) == changed


def test_a_failure_stores_the_backend_state_with_it_or_not_at_all(store: SqlStore) -> None:
    key = store.create(REQUEST, "batch").id
    store.update(key, backend_state="first")
    store.fail(key, "why", backend_state="second")
    assert (store.get(key).reason, store.get(key).backend_state) == ("why", "second")
    store.fail(key, "late", backend_state="third")
    assert (store.get(key).reason, store.get(key).backend_state) == ("why", "second")
    store.resume(key)
    store.fail(key, "again")
    assert (store.get(key).reason, store.get(key).backend_state) == ("again", "second")


def test_a_new_owner_starts_without_the_state_of_the_one_before(store: SqlStore) -> None:
    key = store.create(REQUEST, "auto").id
    store.close_audio(key, 100)
    store.update(key, step="waiting", backend_state="{}", next_poll=5.0, progress=0.5)
    store.assign(key, "fast", fallback="batch")
    assigned = store.get(key)
    assert (assigned.backend, assigned.fallback) == ("fast", "batch")
    assert (assigned.step, assigned.backend_state, assigned.next_poll) == ("", "", 0.0)
    assert (assigned.state, assigned.audio_bytes) == (JobState.PROCESSING, 100)
    store.assign(key, "batch")
    assert (store.get(key).backend, store.get(key).fallback) == ("batch", "")


def test_a_deleted_recording_keeps_the_owner_that_cleans_up(store: SqlStore) -> None:
    key = store.create(REQUEST, "batch").id
    store.update(key, backend_state="{}")
    store.delete(key)
    store.assign(key, "fast")
    assert (store.get(key).backend, store.get(key).backend_state) == ("batch", "{}")


def processing(store: SqlStore, backend: str) -> str:
    key = store.create(REQUEST, backend).id
    store.close_audio(key, 100)
    return key


def test_open_recordings_are_those_of_one_backend_that_are_processed(store: SqlStore) -> None:
    first, other, second = (processing(store, name) for name in ("batch", "fast", "batch"))
    store.create(REQUEST, "batch")  # still uploading
    for end in (store.delete, lambda key: store.fail(key, "why")):
        end(processing(store, "batch"))
    store.complete(processing(store, "batch"), transcript())
    assert [found.id for found in store.open_recordings("batch")] == [second, first]
    assert [found.id for found in store.open_recordings("fast")] == [other]
    assert store.open_recordings("local") == []


def test_polls_are_put_off_together_where_still_processing(store: SqlStore) -> None:
    first, second, done, other = (processing(store, "batch") for _ in range(4))
    store.fail(done, "why")
    store.poll_later([first, second, done, "unknown"], 99.5)
    found = {key: store.get(key).next_poll for key in (first, second, done, other)}
    assert found == {first: 99.5, second: 99.5, done: 0.0, other: 0.0}
    store.poll_later([], 1.0)
    assert store.get(first).next_poll == 99.5


def test_steps_are_stored_with_the_polls_that_are_put_off(store: SqlStore) -> None:
    first, second, third, done = (processing(store, "batch") for _ in range(4))
    store.fail(done, "why")
    steps = {first: "queued", second: "queued", third: "running", done: "running"}
    store.poll_later([first, second, third, done], 99.5, steps)
    found = {key: (store.get(key).step, store.get(key).next_poll) for key in steps}
    queued, running = ("queued", 99.5), ("running", 99.5)
    assert found == {first: queued, second: queued, third: running, done: ("", 0.0)}


def test_the_states_of_several_recordings_are_stored_together_or_not_at_all(
    store: SqlStore,
) -> None:
    first, second, deleted, other = (processing(store, "batch") for _ in range(4))
    store.delete(deleted)
    states = {first: "1", second: "2", deleted: "3"}
    assert store.update_many(states, step="sent", next_poll=5.0) == {first, second}
    found = {key: store.get(key) for key in (first, second, deleted, other)}
    assert [one.backend_state for one in found.values()] == ["1", "2", "3", ""]
    assert [one.step for one in found.values()] == ["sent", "sent", "", ""]
    assert [one.next_poll for one in found.values()] == [5.0, 5.0, 5.0, 0.0]
    with pytest.raises(MeetingNotFoundError):
        store.update_many({first: "changed", "unknown": "", second: "changed"})
    assert store.get(first).backend_state == "1"


def test_open_states_are_those_of_open_recordings(store: SqlStore) -> None:
    first, other, second = (processing(store, name) for name in ("batch", "fast", "batch"))
    store.update(second, backend_state='{"job": 1}')
    store.fail(processing(store, "batch"), "why")
    created = store.get(first).created
    assert store.open_states("batch")[0] == OpenState(first, created, "")
    assert [(one.id, one.backend_state) for one in store.open_states("batch")] == [
        (first, ""),
        (second, '{"job": 1}'),
    ]
    assert [one.id for one in store.open_states("fast")] == [other]


def test_a_deletion_is_cleaned_up_once(store: SqlStore) -> None:
    key, kept = processing(store, "batch"), processing(store, "batch")
    store.update(key, backend_state='{"job": 1}')
    store.update(kept, backend_state='{"job": 2}')
    assert store.due_cleanups(1e12) == []
    store.delete(key)
    (due,) = store.due_cleanups(0.0)
    assert (due.id, due.backend_state) == (key, '{"job": 1}')
    store.clean_later(key, 50.0)
    assert store.due_cleanups(49.9) == []
    assert [found.id for found in store.due_cleanups(50.0)] == [key]
    store.cleaned(key)
    store.clean_later(key, 1.0)  # another process had begun to clean up, too
    assert store.due_cleanups(1e12) == []
    assert store.get(key).backend_state == ""
    store.cleaned(kept)
    assert store.get(kept).backend_state == '{"job": 2}'


@pytest.mark.database("sqlite")
def test_what_was_cleaned_is_not_left_on_the_disk(store: SqlStore, folder: Path) -> None:
    key = processing(store, "batch")
    store.update(key, backend_state=SECRET)
    store.delete(key)
    assert files_with(folder, SECRET)
    store.cleaned(key)
    assert files_with(folder, SECRET) == []


def plan(store: SqlStore, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> list[str]:
    """Return SQLite's plan for the reading statement of ``call``."""
    statements: list[tuple[str, tuple[object, ...]]] = []

    def rows(statement: str, *values: object) -> list[tuple[object, ...]]:
        statements.append((statement, values))
        return []

    with monkeypatch.context() as patch:
        patch.setattr(store._database, "rows", rows)
        call()
    ((statement, values),) = statements
    steps = store._database.rows(f"EXPLAIN QUERY PLAN {statement}", *values)
    return [step[3] for step in steps]


@pytest.mark.database("sqlite")
def test_a_status_query_reads_indexes_only(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = plan(store, monkeypatch, lambda: store.open_recordings("batch"))
    assert opened == ["SEARCH recordings USING INDEX recordings_open (backend=?)"]
    (due,) = plan(store, monkeypatch, lambda: store.due_cleanups(1.0))
    assert "SEARCH recordings USING INDEX recordings_to_clean" in due


@pytest.mark.database("sqlite")
def test_a_sweep_reads_an_index_only(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished = plan(store, monkeypatch, lambda: store.unfinished(1.0))
    assert unfinished == ["SCAN recordings USING INDEX recordings_unfinished"]


def test_a_sweep_finds_what_is_uploaded_or_due_the_oldest_first(store: SqlStore) -> None:
    uploading, later, due = (
        store.create(REQUEST, "batch").id,
        *(processing(store, "batch") for _ in range(2)),
    )
    store.update(later, next_poll=50.0)
    for end in (store.delete, lambda key: store.fail(key, "why")):
        end(processing(store, "batch"))
    store.complete(processing(store, "batch"), transcript())
    assert [found.id for found in store.unfinished(49.0)] == [uploading, due]
    assert [found.id for found in store.unfinished(50.0)] == [uploading, later, due]
    with store._database.transaction() as connection:
        connection.execute("UPDATE recordings SET request = '{' WHERE id = ?", (due,))
    assert [found.id for found in store.unfinished(49.0)] == [uploading]
