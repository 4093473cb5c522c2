"""Closing the recordings whose program died; processing them is their backend's task."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingBusyError
from speech_adapters.store.interface import Store
from speech_adapters.store.records import Recording

__all__ = [
    "CUT_SHORT",
    "NO_AUDIO",
    "close_abandoned",
    "close_audio",
    "discard_copies",
    "is_locked",
    "recover",
]

CUT_SHORT: Final = "The recording ended early: the program that made it died or was stopped."
NO_AUDIO: Final = "The meeting has no audio (0 seconds): nothing was recorded."


def close_audio(store: Store, recording: Recording, size: int, notes: tuple[str, ...] = ()) -> None:
    """End a recording of ``size`` bytes; one without audio has failed."""
    if size:
        store.close_audio(recording.id, size, notes)
    else:
        # Less than a sample may be there.  First: a process that dies now ends it again.
        with suppress(OSError):
            recording.audio_path.unlink(missing_ok=True)
        store.fail(recording.id, NO_AUDIO)


def close_abandoned(store: Store, recording: Recording) -> None:
    """End a recording whose program died; its meeting must be locked."""
    path = recording.audio_path
    size = path.stat().st_size if path.exists() else 0
    # The program may have died in the middle of a sample.
    whole = size - size % recording.request.audio.frame_bytes
    close_audio(store, recording, whole, (CUT_SHORT,))


def is_locked(store: Store, recording: Recording) -> bool:
    """Return whether another part of this or another process works on the recording."""
    try:
        store.lock_recording(recording.id).release()
    except MeetingBusyError:
        return True
    return False


def discard_copies(store: Store, meeting_id: str) -> None:
    """Delete the recordings that were to take over another one; the meeting must be locked.

    Their programs died before they had all of its audio, which the other one still has.
    """
    for recording in store.recordings(meeting_id):
        # In any other state: a worker may have completed what was copied.
        if recording.replaces and recording.state is not JobState.DELETED:
            store.delete(recording.id)


def recover(store: Store, meeting_id: str) -> None:
    """End the recordings of a meeting whose program died; the meeting must be locked.

    The lock shows that no program records the meeting.  A live worker may still own
    the recording of a dead program, and ends it itself.
    """
    discard_copies(store, meeting_id)
    for recording in store.recordings(meeting_id):
        if recording.state is JobState.UPLOADING and not is_locked(store, recording):
            close_abandoned(store, recording)
