from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from speech_adapters import MeetingRequest, Mode
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    dump_progress,
    has_job,
    load_progress,
    save_progress,
)
from speech_adapters.errors import StoreError
from speech_adapters.store import Recording, Store

FULL = BatchProgress(
    stage=BatchStage.SUBMITTED,
    addresses=("https://a/b.wav?sig=x",),
    chunks=(Chunk(0, 10), Chunk(10, 5, channel=1)),
    uploaded_chunks=2,
    job_url="https://host/transcriptions/1",
    submitted_at=1.5,
    attempt=3,
    warned=True,
    undeleted=("https://host/transcriptions/0",),
)
# As the migration of version-1 stores writes it.
MIGRATED = (
    '{"stage": "submitting", "addresses": [], "chunks": [{"start": 0, "frames": 7,'
    ' "channel": null}], "uploaded_chunks": 1, "job_url": "", "files_url": "",'
    ' "submitted_at": 0.0, "attempt": 1, "warned": false, "undeleted": []}'
)


def created(store: Store) -> Recording:
    recording = store.create(MeetingRequest("m", mode=Mode.STORED), "batch")
    store.close_audio(recording.id, 100)
    return store.get(recording.id)


def loaded(tmp_path: Path, state: str) -> BatchProgress:
    with Store.open(tmp_path) as store:
        recording = created(store)
        store.update(recording.id, backend_state=state)
        return load_progress(store.get(recording.id))


@pytest.mark.parametrize("progress", [FULL, BatchProgress()])
def test_progress_survives_the_store(tmp_path: Path, progress: BatchProgress) -> None:
    assert loaded(tmp_path, dump_progress(progress)) == progress


def test_a_recording_without_state_is_only_recorded(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert load_progress(created(store)) == BatchProgress(BatchStage.RECORDED)


def test_progress_of_a_version_1_store_is_read(tmp_path: Path) -> None:
    assert loaded(tmp_path, MIGRATED) == BatchProgress(
        BatchStage.SUBMITTING, chunks=(Chunk(0, 7),), uploaded_chunks=1, attempt=1
    )


@pytest.mark.parametrize("state", ["{", '{"stage": "SECRET"}', '{"addresses": ["SECRET", 1]}'])
def test_damaged_progress_is_an_error_that_does_not_quote_it(tmp_path: Path, state: str) -> None:
    with pytest.raises(StoreError, match="damaged or of another version") as caught:
        loaded(tmp_path, state)
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_saving_reports_whether_the_recording_is_still_processed(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        recording = created(store)
        assert save_progress(store, recording.id, FULL, "uploading")
        assert store.get(recording.id).step == "uploading"
        store.delete(recording.id)
        later = BatchProgress(job_url="https://host/transcriptions/2")
        assert not save_progress(store, recording.id, later)
        assert load_progress(store.get(recording.id)) == later, "the cleanup needs it"


def test_a_repeated_part_starts_with_the_whole_time_and_all_attempts() -> None:
    again = BatchProgress(begun_at=1.0, submitted_at=2.0, unreadable=4).next_attempt((1,))
    assert (again.begun_at, again.submitted_at, again.unreadable) == (0.0, 0.0, 0)


def test_the_job_of_the_parts_that_succeeded_is_deleted_with_the_meeting(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert has_job(created(store), attrs.evolve(FULL, undeleted=()).next_attempt((1,)))
        assert not has_job(created(store), BatchProgress(BatchStage.UPLOADED))
