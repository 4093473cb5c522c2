"""Records that are damaged: they can be listed and deleted, and hide no other meeting."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from double.store_rows import change
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript

DAMAGES: dict[str, str | bytes] = {
    "request": "{",
    "notes": "5",
    "created": "yesterday",
    "updated": b"\xff",
    "state": "Melted",
    "deep": "[" * 100_000,
}


def request(meeting_id: str) -> MeetingRequest:
    return MeetingRequest(meeting_id, mode=Mode.STORED)


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> tuple[str, str | bytes]:
    column = "request" if request.param == "deep" else request.param
    return column, DAMAGES[request.param]


def apply(store: Store, damage: tuple[str, str | bytes], recording_id: str) -> None:
    column, value = damage
    statement = f"UPDATE recordings SET {column} = CAST(? AS TEXT) WHERE id = ?"
    change(store, statement, value, recording_id)


def test_one_damaged_record_hides_no_other(
    store: Store, folder: Path, damage: tuple[str, str | bytes]
) -> None:
    keys = [store.create(request(name), "local").id for name in "abc"]
    store.close_audio(keys[0], 10)
    store.close_audio(keys[1], 10)
    apply(store, damage, keys[1])
    assert [found.meeting_id for found in store.recordings()] == ["c", "b", "a"]
    (found,) = store.recordings("b")
    assert found.state is JobState.FAILED
    assert "damaged" in found.status().reason
    assert [found.id for found in store.open_recordings("local")] == [keys[0]]
    with pytest.raises(StoreError, match="damaged"):
        store.get(keys[1])
    with pytest.raises(StoreError, match="damaged"):
        store.newest("b")


def test_a_damaged_record_can_be_deleted_and_leaves_no_audio(
    store: Store, folder: Path, damage: tuple[str, str | bytes]
) -> None:
    recording = store.create(request("b"), "local")
    recording.audio_path.write_bytes(b"audio")
    apply(store, damage, recording.id)
    store.delete(recording.id)
    assert not recording.audio_path.exists()
    assert store.get(recording.id).state is JobState.DELETED
    assert [due.id for due in store.due_cleanups(1e12)] == [recording.id]


def test_a_transcript_outlives_the_damage_of_its_record(store: Store, folder: Path) -> None:
    key = store.create(request("b"), "local").id
    store.complete(key, Transcript("b", (), 10, Provenance("local", "1")))
    apply(store, ("request", "{"), key)
    (found,) = store.recordings("b")
    assert found.state is JobState.COMPLETED
    assert "damaged" in found.reason
    assert store.transcript(key).duration == 10


def test_a_state_that_is_damaged_is_an_error_of_the_store(store: Store, folder: Path) -> None:
    key = store.create(request("b"), "local").id
    apply(store, ("state", "Melted"), key)
    with pytest.raises(StoreError, match="damaged") as caught:
        store.close_audio(key, 10)
    assert "Melted" not in str(caught.value)


def test_a_start_that_cannot_be_read_is_long_ago(store: Store, folder: Path) -> None:
    key = store.create(request("b"), "local").id
    apply(store, ("created", "yesterday"), key)
    assert store.recordings()[0].created == datetime.fromtimestamp(0, UTC)
