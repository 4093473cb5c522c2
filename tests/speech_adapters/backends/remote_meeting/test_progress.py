from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.backends.remote_meeting.progress import (
    Rank,
    RemoteProgress,
    RemoteStage,
    dump_progress,
    load_progress,
    rank_of,
    save_failure,
    save_progress,
)
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.store import Recording, Store

PROGRESS = RemoteProgress(RemoteStage.UPLOADED, 12.5, 1, "why", 2, 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


def create(store: Store, size: int | None = None, backend: str = "remote_meeting") -> Recording:
    """Create a recording of the meeting ``m``; without a size it is being recorded."""
    recording = store.create(MeetingRequest("m", mode=Mode.STORED), backend)
    if size is not None:
        store.close_audio(recording.id, size)
        if not size:
            store.fail(recording.id, "no audio")
    return store.get(recording.id)


def test_a_recording_without_any_state_is_only_recorded(store: Store) -> None:
    assert load_progress(create(store)) == RemoteProgress()


def test_progress_survives_and_belongs_to_the_state(store: Store) -> None:
    recording = create(store, 9)
    assert save_progress(store, recording.id, PROGRESS, "at the service")
    found = store.get(recording.id)
    assert (load_progress(found), found.step) == (PROGRESS, "at the service")
    save_failure(store, recording.id, RemoteProgress(), "because")
    found = store.get(recording.id)
    assert (load_progress(found), found.reason) == (RemoteProgress(), "because")


def test_a_deleted_recording_keeps_its_progress_for_the_cleanup(store: Store) -> None:
    recording = create(store, 9)
    store.delete(recording.id)
    assert not save_progress(store, recording.id, PROGRESS)
    assert load_progress(store.get(recording.id)) == PROGRESS


def test_a_damaged_progress_is_an_error(store: Store) -> None:
    recording = create(store)
    store.update(recording.id, backend_state='{"stage": "sung"}')
    with pytest.raises(StoreError, match="is damaged or of another version"):
        load_progress(store.get(recording.id))


def test_the_deadline() -> None:
    begun = RemoteProgress(begun_at=time.time() - 7_200)
    assert begun.is_overdue(1)
    assert not begun.is_overdue(3)
    assert not begun.is_overdue(0)
    assert not RemoteProgress().is_overdue(0.001)


def test_what_is_uploaded_again_has_been_sent_before() -> None:
    assert PROGRESS.to_upload_again() == RemoteProgress(RemoteStage.UPLOADING)
    assert PROGRESS.to_ask_again() == RemoteProgress(RemoteStage.UPLOADED)
    assert '"uploading"' in dump_progress(PROGRESS.to_upload_again())


def test_only_the_newest_recording_with_audio_counts_at_the_service(store: Store) -> None:
    first = create(store, 9)
    assert rank_of(store, first) is Rank.NEWEST
    create(store, 0)
    create(store, 9, backend="local")
    store.delete(create(store, 9).id)
    assert rank_of(store, first) is Rank.NEWEST
    second = create(store)
    assert rank_of(store, first) is Rank.PENDING
    store.close_audio(second.id, 9)
    assert rank_of(store, first) is Rank.REPLACED
    assert rank_of(store, store.get(second.id)) is Rank.NEWEST
    store.delete(second.id)
    assert store.get(second.id).state is JobState.DELETED
    assert rank_of(store, first) is Rank.NEWEST
