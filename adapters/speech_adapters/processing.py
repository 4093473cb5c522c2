"""The processing of recordings: recovery after a crash, then one step of a backend at a time.

With an executor, the steps run in its workers, and here recordings are only submitted.

A step runs with its recording locked.  The recording is read again after the lock is acquired
and after the step: other processes may have changed or deleted it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from speech_adapters import threads
from speech_adapters.contract import Backend, JobState
from speech_adapters.deletion import MeetingDeleter
from speech_adapters.errors import MeetingBusyError, MeetingFailedError, SpeechError
from speech_adapters.execution import QUEUED, Executor
from speech_adapters.meeting_locks import recording_locked, released
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.store.recovery import recover

__all__ = ["RecordingProcessor"]

_logger = logging.getLogger("speech_adapters")


class RecordingProcessor:
    """Processes the recordings of a store with their backends.

    All calls may raise the errors of backends and store.

    Args:
        store: the meeting store.
        backend: returns a backend by its name.
        deleter: cleans up after recordings that are deleted during a step.
        executor: processes recordings elsewhere; ``None`` to process them here.
        recovers: whether a query ends a recording whose program died, or leaves it to a sweep.
    """

    def __init__(
        self,
        store: AsyncStore,
        backend: Callable[[str], Awaitable[Backend]],
        deleter: MeetingDeleter,
        executor: Executor | None = None,
        *,
        recovers: bool = True,
    ) -> None:
        self._store = store
        self._backend = backend
        self._deleter = deleter
        self._executor = executor
        self._recovers = recovers

    async def advance(self, meeting_id: str, recordings: Sequence[Recording]) -> Recording:
        """Recover and process the recordings of a meeting; return the newest."""
        uploading = any(recording.state is JobState.UPLOADING for recording in recordings)
        if uploading and self._recovers:
            await self.recover(meeting_id)
            recordings = await self._store.run(Store.recordings, meeting_id)
        await self.process_all(recordings)
        return await self._store.run(Store.newest, meeting_id)

    async def recover(self, meeting_id: str) -> None:
        """End the recordings of a meeting whose program died; ignored while it is recorded."""
        with suppress(MeetingBusyError):
            async with released(await self._store.run(Store.lock_meeting, meeting_id)):
                await self._store.run(recover, meeting_id)

    async def process_all(self, recordings: Sequence[Recording]) -> None:
        """Process those of the recordings that are in the state Processing."""
        for recording in recordings:
            if recording.state is JobState.PROCESSING:
                await self.process(recording.id)

    async def process(self, recording_id: str) -> None:
        """Process a recording as far as is possible now; see ``MeetingService.process``."""
        if self._executor is not None:
            await self._submit(self._executor, recording_id)
            return
        # A step may pass the recording on to another backend, which goes on at once.
        while await self._step(recording_id):
            pass

    async def refresh(self, name: str, recordings: Sequence[Recording]) -> set[str]:
        """Return which recordings of a backend need not be processed now, by few requests."""
        # Only the workers need the package and the credentials of the backend.
        if self._executor is not None:
            return set()
        backend = await self._backend(name)
        if isinstance(backend, RecordingBackend):
            return await backend.refresh(recordings)
        return set()

    async def process_ended(self, recording_id: str) -> None:
        """Process a recording that has just ended.

        A failure that may pass is no error of the session: everything is stored, the
        meeting is in the state Processing, and the next status query goes on.
        """
        try:
            await self.process(recording_id)
        except SpeechError as error:
            if not error.retryable:
                raise
            _logger.warning(
                "Recording %s is stored, but could not be processed yet. The next status query"
                " of its meeting tries again. The reason: %s",
                recording_id,
                error,
            )
        ended = await self._store.run(Store.get, recording_id)
        if ended.state is JobState.FAILED:
            # The program may never ask for the status.
            _logger.error("Meeting %r failed: %s", ended.meeting_id, ended.reason)

    async def retry(self, recording: Recording) -> bool:
        """Change a recording to Processing that ended without its transcript, or parts of it.

        Returns:
            Whether it did, and is to be processed again.

        Raises:
            MeetingFailedError: it failed, and a retry is impossible.
        """
        backend = await self._backend(recording.backend)
        if not isinstance(backend, RecordingBackend) or not await _may_retry(backend, recording):
            return False
        await self._store.run(Store.resume, recording.id, incomplete=True)
        return True

    async def _submit(self, executor: Executor, recording_id: str) -> None:
        recording = await self._store.run(Store.get, recording_id)
        # Before its next poll a worker would do nothing.
        if recording.state is not JobState.PROCESSING or recording.next_poll > time.time():
            return
        if not (recording.step or recording.attempts or recording.progress):
            # First: the worker may begin at once, and has the last word.
            await self._store.run(Store.report, recording_id, step=QUEUED)
        await executor.submit(recording)

    async def _step(self, recording_id: str) -> bool:
        """Process one step; return whether another backend has to go on."""
        recording = await self._store.run(Store.get, recording_id)
        owner = recording.backend
        backend = await self._backend(owner)
        if recording.state is not JobState.PROCESSING or not isinstance(backend, RecordingBackend):
            return False
        async with recording_locked(self._store, recording_id) as locked:
            if not locked:
                return False
            # Its state may have changed before the lock was acquired.
            recording = await self._store.run(Store.get, recording_id)
            try:
                if recording.state is JobState.PROCESSING and recording.backend == owner:
                    await backend.process(recording)
            except SpeechError:
                # Without its audio the step may fail in any way; that is no error.
                if (await self._store.run(Store.get, recording_id)).state is not JobState.DELETED:
                    raise
            after = await self._store.run(Store.get, recording_id)
            if after.state is JobState.DELETED and after.backend == owner:
                # Deleted during the step, which may have made more to delete.
                await self._deleter.discard(backend, after)
        return after.state is JobState.PROCESSING and after.backend != owner


async def _may_retry(backend: RecordingBackend, recording: Recording) -> bool:
    """Return whether a recording ended without its transcript, or without parts of it.

    Raises:
        MeetingFailedError: it failed, and a retry is impossible.
    """
    if recording.state is JobState.COMPLETED:
        return backend.is_incomplete(recording)
    if recording.state is not JobState.FAILED:
        return False
    if not await threads.STORE.run(backend.can_resume, recording):
        raise MeetingFailedError(
            f"Meeting {recording.meeting_id!r} cannot be tried again, since its audio is not here."
            f" It failed: {recording.reason}"
        )
    return True
