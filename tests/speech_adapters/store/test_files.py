"""Files of recordings that processes left when they were killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from double.recorder import DONE, REQUEST, use
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import StoredAudio, recording_files


def files(recording: Recording) -> list[Path]:
    """Create the audio, a journal and a log; return their paths."""
    paths = [recording.audio_path.with_suffix(suffix) for suffix in (".pcm", ".said", ".log")]
    for path in paths:
        path.write_text("private")
    return paths


def finished(store: Store, state: JobState, *, keep_audio: bool = False) -> Recording:
    recording = store.create(REQUEST, "local", keep_audio=keep_audio)
    if state is not JobState.UPLOADING:
        store.close_audio(recording.id, 2)
    match state:
        case JobState.COMPLETED:
            store.complete(recording.id, DONE)
        case JobState.FAILED:
            store.fail(recording.id, "for a reason")
        case JobState.DELETED:
            store.delete(recording.id)
        case _:
            pass
    return recording


@pytest.mark.parametrize("how", ["open", "list"])
@pytest.mark.parametrize("state", list(JobState))
def test_no_audio_of_a_completed_or_deleted_meeting_is_kept(
    tmp_path: Path, state: JobState, how: str
) -> None:
    async def listed(meetings: MeetingService) -> None:
        await meetings.recordings()  # opens the store
        paths.extend(files(recording))
        await meetings.recordings()

    paths: list[Path] = []
    with Store.open(load_settings().state_dir) as store:
        recording = finished(store, state)
        if how == "open":
            paths += files(recording)
    if how == "open":
        Store.open(load_settings().state_dir).close()
    else:
        use(listed, backend="local")
    kept = state not in (JobState.COMPLETED, JobState.DELETED)
    assert [path.exists() for path in paths] == [kept] * 3


@pytest.mark.parametrize("state", list(JobState))
def test_audio_that_is_to_be_kept_stays_until_the_deletion(state: JobState) -> None:
    folder = load_settings().state_dir
    with Store.open(folder) as store:
        recording = finished(store, state, keep_audio=True)
        paths = files(recording)
    Store.open(folder).close()
    others = state not in (JobState.COMPLETED, JobState.DELETED)
    assert [path.exists() for path in paths] == [state is not JobState.DELETED, others, others]


def test_the_audio_of_a_meeting_has_whole_frames() -> None:
    async def find(meetings: MeetingService) -> StoredAudio:
        return await meetings.audio("m")

    with Store.open(load_settings().state_dir) as store:
        recording = finished(store, JobState.UPLOADING)
    with pytest.raises(MeetingNotFoundError, match="audio of meeting 'm' is not here"):
        use(find)
    recording.audio_path.write_bytes(bytes(33))
    assert use(find) == (recording.audio_path, REQUEST.audio, 32)


def test_files_that_the_store_does_not_know_are_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        unknown = store.directory / "audio" / f"{'0' * 32}.pcm"
        unknown.touch()
    Store.open(tmp_path).close()
    assert unknown.exists(), "its record may be in a damaged file that was put aside"


def test_a_deletion_removes_journal_and_log_at_once(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        recording, other = finished(store, JobState.FAILED), finished(store, JobState.FAILED)
        paths, others = files(recording), files(other)
        store.delete(recording.id)
    assert not any(path.exists() for path in paths)
    assert all(path.exists() for path in others)


def test_a_folder_that_cannot_be_read_has_no_files(tmp_path: Path) -> None:
    assert recording_files(tmp_path / "missing") == {}


def test_a_planned_cleanup_is_due_from_the_completion_to_its_end(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        recording = finished(store, JobState.PROCESSING)
        store.update(recording.id, backend_state="{}")
        store.plan_cleanup(recording.id)
        assert store.due_cleanups(1.0) == []
        store.complete(recording.id, DONE)
        assert [found.id for found in store.due_cleanups(1.0)] == [recording.id]
        store.cleaned(recording.id, JobState.COMPLETED)
        assert store.due_cleanups(1.0) == []
        assert store.get(recording.id).backend_state == "{}", "the deletion needs it"


def test_a_cleanup_that_a_deletion_overtakes_is_due_again(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        recording = finished(store, JobState.PROCESSING)
        store.plan_cleanup(recording.id)
        store.complete(recording.id, DONE)
        store.delete(recording.id)
        store.cleaned(recording.id, JobState.COMPLETED)
        store.plan_cleanup(recording.id)
        assert [found.id for found in store.due_cleanups(1.0)] == [recording.id]
