"""The deletion of meetings, and the cleanups that follow a deletion or a completion.

::

    delete ──▶ state Deleted, cleanup pending ──discard──▶ cleaned
                       ▲                         │ not yet, or failed
                       └────────postponed────────┘

A cleanup runs with its recording locked, and deletes jobs and blobs.  What the service cannot
delete yet, like a running job, is deleted by a later query, at the resource that has it.  Its
failure concerns no other meeting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.contract import Backend, JobState
from speech_adapters.errors import MeetingNotFoundError, MissingExtraError, SpeechError
from speech_adapters.meeting_locks import lock_meeting, recording_locked, released
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.registry import keeps_nothing_elsewhere
from speech_adapters.shadows import is_shadow, shadow_id
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.store.files import remove_others

__all__ = ["MeetingDeleter"]

# Until the next attempt after an error; a backend names its own pause otherwise.
_CLEANUP_SECONDS: Final = 60.0
_REFUSED_CLEANUP_SECONDS: Final = 3600.0
# A status query may be about any other meeting, so it waits no longer for cleanups.
_CLEANUP_LIMIT_SECONDS: Final = 10.0
# How long a deletion waits for the process that works on the meeting: it notices the deletion
# every two seconds, but not in the middle of a block that it uploads.
_DELETION_LIMIT_SECONDS: Final = 30.0
_DELETION_PAUSE_SECONDS: Final = 0.1
_logger = logging.getLogger("speech_adapters")


class MeetingDeleter:
    """Deletes recorded meetings here and at their services.

    Args:
        store: the meeting store.
        backend: returns a backend by its name.
    """

    def __init__(self, store: AsyncStore, backend: Callable[[str], Awaitable[Backend]]) -> None:
        self._store = store
        self._backend = backend

    async def delete(self, meeting_id: str) -> None:
        """Delete a meeting that has recordings in the store; see ``MeetingService.delete``."""
        async with released(await lock_meeting(self._store, meeting_id)):
            # Under the lock, so that two deletions do not both find the same recordings.
            recordings = await self._store.run(Store.recordings, meeting_id)
            kept = [found for found in recordings if found.state is not JobState.DELETED]
            deleted = await self._delete_at_services(meeting_id, kept or recordings[:1])
            if not (kept or deleted):
                raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
            # All of them before the first cleanup, which may wait for a service.  Without the
            # recordings' locks: that they are deleted is what makes their workers stop.
            for recording in kept:
                await self._store.run(Store.delete, recording.id)
            with anyio.move_on_after(_DELETION_LIMIT_SECONDS):
                for recording in kept:
                    # Until no process works on it any more.
                    while not await self.clean_up(recording.id):
                        await anyio.sleep(_DELETION_PAUSE_SECONDS)

    async def delete_second(self, meeting_id: str) -> bool:
        """Delete the second transcripts that the backend ``shadow`` made of a meeting.

        Their backend concerns no program, so its errors are logged: what it keeps elsewhere is
        then deleted by a later query.

        Returns:
            Whether there were any.
        """
        recordings = await self._store.run(_second_recordings, meeting_id)
        for recording in recordings:
            await self._store.run(Store.delete, recording.id)
        with anyio.move_on_after(_CLEANUP_LIMIT_SECONDS):
            for recording in recordings:
                await self.clean_up(recording.id)
        return bool(recordings)

    async def clean_up_due(self) -> None:
        """Clean up after the recordings whose cleanup is due, for a limited time."""
        due = await self._store.run(Store.due_cleanups, time.time())
        with anyio.move_on_after(_CLEANUP_LIMIT_SECONDS):
            for recording in due:
                # First: other queries need not wait for the same service meanwhile, nor the
                # next ones if it does not answer.
                await self._postpone(recording.id)
                await self.clean_up(recording.id)

    async def clean_up(self, recording_id: str) -> bool:
        """Clean up after a recording, or try again later; return False if it is locked."""
        recording = await self._store.run(Store.get, recording_id)
        try:
            backend = await self._find(recording.backend)
        except SpeechError as error:
            await self._warn_and_postpone(recording_id, error)
            return True
        async with recording_locked(self._store, recording_id) as locked:
            if not locked:
                return False  # the holder of the lock notices the deletion
            # It may have been passed on, or cleaned up, before the lock was acquired.
            after = await self._store.run(Store.get, recording_id)
            if after.backend == recording.backend:
                await self.discard(backend, after)
        return True

    async def discard(self, backend: Backend | None, recording: Recording) -> None:
        """Have a backend clean up after a recording that is locked, or try again later.

        Without a backend, only the files next to the audio are removed.
        """
        pause = None
        try:
            if backend is None:
                removed = await threads.STORE.run(remove_others, recording.audio_path)
                pause = None if removed else _CLEANUP_SECONDS
            elif isinstance(backend, RecordingBackend):
                pause = await backend.discard(recording)
        except SpeechError as error:
            await self._warn_and_postpone(recording.id, error)
            return
        if pause is None:
            await self._store.run(Store.cleaned, recording.id, recording.state)
        else:
            await self._postpone(recording.id, pause)

    async def _delete_at_services(self, meeting_id: str, recordings: Sequence[Recording]) -> bool:
        """Delete what the services of these recordings keep; return whether there was any."""
        found = False
        for name in dict.fromkeys(recording.backend for recording in recordings):
            backend = await self._find(name)
            if backend is not None:
                with suppress(MeetingNotFoundError):
                    await backend.delete(meeting_id)
                    found = True
        return found

    async def _find(self, name: str) -> Backend | None:
        """Return a backend, or ``None`` if its extra is missing and a deletion needs none."""
        try:
            return await self._backend(name)
        except MissingExtraError:
            if not await threads.COMPUTE.run(keeps_nothing_elsewhere, name):
                raise
            return None

    async def _warn_and_postpone(self, recording_id: str, error: SpeechError) -> None:
        # What the service refuses, it refuses until someone acts: with a key, for example.
        await self._postpone(
            recording_id, _CLEANUP_SECONDS if error.retryable else _REFUSED_CLEANUP_SECONDS
        )
        _logger.warning(
            "What recording %s left at its service is not deleted yet: %s", recording_id, error
        )

    async def _postpone(self, recording_id: str, pause: float = _CLEANUP_SECONDS) -> None:
        await self._store.run(Store.clean_later, recording_id, time.time() + pause)


def _second_recordings(store: Store, meeting_id: str) -> list[Recording]:
    second = shadow_id(meeting_id)
    try:
        store.newest(second)
    except MeetingNotFoundError:  # the usual case, for one row
        return []
    found = store.recordings(second)
    return [one for one in found if is_shadow(one) and one.state is not JobState.DELETED]
