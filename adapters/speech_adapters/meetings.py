"""A backend's meetings in the store of this machine: begun, moved on, read, deleted.

What is common to all backends that keep meetings; how a recording is processed is each
backend's own.  All calls block, so they belong in worker threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from speech_adapters.contract import JobState, MeetingRequest
from speech_adapters.errors import MeetingBusyError, MeetingFailedError, MeetingNotFoundError
from speech_adapters.recording.session import SpoolSession, StoreKeeper, take_up
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Transcript

__all__ = ["Meetings"]


class Meetings:
    """The store, opened when first needed.

    Args:
        directory: the store's folder.
        backend: the backend's name.
        process: moves a recording on; called for recordings of this backend, in any state.
        at_once: whether meetings cut off are moved on when the next recording begins
            too.  Not where that needs the network: recording does not wait for it.
    """

    def __init__(
        self,
        directory: Path,
        backend: str,
        process: Callable[[Recording], None],
        *,
        at_once: bool = False,
    ) -> None:
        self._directory = directory
        self._backend = backend
        self._process_own = process
        self._at_once = at_once
        self._lock = threading.Lock()
        self._opened: Store | None = None

    @property
    def store(self) -> Store:
        """The store.

        Raises:
            StoreError: it cannot be opened.
        """
        with self._lock:
            if self._opened is None:
                self._opened = Store.open(self._directory)
            return self._opened

    def begin(
        self, request: MeetingRequest, *, live: bool = False
    ) -> tuple[Recording, StoreKeeper]:
        """Begin a recording; an earlier one of the meeting that was cut off is ended first.

        Raises:
            MeetingBusyError: the meeting is being recorded.
        """
        store = self.store
        hold = store.hold_meeting(request.meeting_id)
        try:
            take_up(store, request.meeting_id, self._process if self._at_once else _later)
            recording = store.create(request, self._backend)
        except BaseException:
            hold.release()
            raise
        return recording, StoreKeeper(store, recording, hold, live, self._process)

    def record(self, request: MeetingRequest) -> SpoolSession:
        """Begin a recording that is processed once it has ended.

        Raises:
            MeetingBusyError: the meeting is being recorded.
        """
        recording, keeper = self.begin(request)
        return SpoolSession(recording.audio_path, keeper)

    def newest(self, meeting_id: str) -> Recording | None:
        """Give the newest recording of a meeting, or ``None``."""
        with suppress(MeetingNotFoundError):
            return self.store.newest(meeting_id)
        return None

    def advance(self, meeting_id: str) -> Recording:
        """Move all recordings of a meeting on; gives the newest.

        Raises:
            MeetingNotFoundError: there is none.
        """
        store = self.store
        recordings = store.recordings(meeting_id)
        if any(recording.state is JobState.UPLOADING for recording in recordings):
            with suppress(MeetingBusyError), store.hold_meeting(meeting_id):
                take_up(store, meeting_id, self._process)
        else:
            for recording in recordings:
                self._process(recording)
        return store.newest(meeting_id)

    def resume(self, meeting_id: str) -> Recording:
        """Take up the newest recording of a meeting again if it has failed; gives it.

        Raises:
            MeetingNotFoundError: there is none.
            MeetingFailedError: it cannot be tried again, as its audio is not kept.
        """
        recording = self.store.newest(meeting_id)
        if recording.state is JobState.FAILED:
            if not (recording.audio_path.exists() or recording.details.get("job")):
                raise MeetingFailedError(
                    f"Meeting {meeting_id!r} cannot be tried again, since its audio is not here."
                    f" It failed: {recording.reason}"
                )
            self.store.resume(recording.id)
        return self.advance(meeting_id)

    def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting's newest recording.

        Raises:
            MeetingNotFoundError, MeetingFailedError, MeetingBusyError: there is none.
        """
        return self.store.transcript(self.store.newest(meeting_id).id)

    def delete(self, meeting_id: str) -> list[Recording]:
        """Delete all recordings of a meeting; gives those that were not deleted before.

        Raises:
            MeetingNotFoundError: there is none, or all were deleted already.
            MeetingBusyError: it is being recorded.
        """
        store = self.store
        recordings = store.recordings(meeting_id)
        found = [recording for recording in recordings if recording.state is not JobState.DELETED]
        if not found:
            store.newest(meeting_id)  # raises when there never was one
            raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
        with store.hold_meeting(meeting_id):
            for recording in found:
                store.delete(recording.id)
        return found

    def _process(self, recording: Recording) -> None:
        """Leave alone what another backend recorded: its audio was not given to this one."""
        if recording.backend == self._backend:
            self._process_own(recording)

    def close(self) -> None:
        """Close the store.  Idempotent."""
        with self._lock:
            store, self._opened = self._opened, None
        if store is not None:
            store.close()


def _later(_: Recording) -> None:
    """Leave it to whoever asks."""
