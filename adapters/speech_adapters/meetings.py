"""The meeting service: the one owner of meetings, and the only access to them by id.

::

    open_session ──▶ recording in the store ──process──▶ final state
    status / transcript / resume / delete ──by id──▶ the store, or the backend that knows it

It keeps one open store and one instance of each backend for its lifetime, so a status query
opens no store, reads no settings and builds no backend.  Recordings stay with the backend
that recorded them, whatever is configured later: their audio goes nowhere else.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.capabilities import Gap
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, JobState, MeetingRequest, MeetingStatus, Session
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
    StoreError,
)
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.recording.session import StoredRecording
from speech_adapters.registry import choose_backend, create_backend
from speech_adapters.store import AsyncStore, Lock, Recording, Store
from speech_adapters.store.recovery import recover
from speech_adapters.temporary import remove_abandoned
from speech_adapters.transcript import Transcript

__all__ = ["MeetingService"]

# Until the next attempt after an error; a backend names its own pause otherwise.
_CLEANUP_SECONDS: Final = 60.0
_REFUSED_CLEANUP_SECONDS: Final = 3600.0
# A status query may be about any other meeting, so it waits no longer for cleanups.
_CLEANUP_LIMIT_SECONDS: Final = 10.0
# How long a deletion waits for the process that works on the meeting: it notices the deletion
# every two seconds, but not in the middle of a block that it uploads.
_DELETION_LIMIT_SECONDS: Final = 30.0
_DELETION_PAUSE_SECONDS: Final = 0.1
_LOCK_TRIES: Final = 10
_LOCK_PAUSE_SECONDS: Final = 0.02
_logger = logging.getLogger("speech_adapters")


class MeetingService(AsyncCloseable):
    """Records meetings and answers questions about them by id.

    To be used on one event loop of asyncio, by any number of tasks, and closed at the end::

        async with MeetingService(load_settings()) as meetings:
            async with await meetings.open_session(request) as session:
                ...
            status = await meetings.status(request.meeting_id)

    Args:
        settings: which backend is used, its options, and the store's folder.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = AsyncStore(settings.state_dir)
        self._backends: dict[str, Backend] = {}
        # Guards the two attributes around it: backends are created in worker threads.
        self._creating = threading.RLock()
        self._closed = False
        self._opened()

    def backend(self, name: str | None = None) -> Backend:
        """Return a backend, by default the configured one; created at the first call.

        Blocks, because a backend's package may have to be imported.  The service closes it.

        Raises:
            NoBackendError: no backend has that name.
            MissingExtraError: it needs a package that is not installed.
            ConfigurationError: one of its options is wrong.
        """
        name = name or self.settings.backend
        with self._creating:
            if self._closed:
                raise StoreError("The meeting service is closed: create another one.")
            if name not in self._backends:
                self._backends[name] = create_backend(self.settings, name, self)
            return self._backends[name]

    async def choose(self, request: MeetingRequest) -> tuple[Backend, tuple[Gap, ...]]:
        """Return the configured backend and what it will not do of the request.

        Raises:
            NoBackendError: it cannot serve the request; each backend's reason is listed.
            UnsupportedError: something would be lost, in strict mode.
        """
        return await threads.COMPUTE.run(choose_backend, request, self.settings, self.backend)

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting with the configured backend.

        When this returns, a stored meeting exists in the store.  An earlier recording of
        the meeting that was cut off is ended first.

        Raises:
            MeetingBusyError: the meeting is being recorded already.
            StoreError: the meeting cannot be made durable.
            BackendError: the engine or service cannot be reached.
        """
        await threads.STORE.run(remove_abandoned)
        backend = await self._backend()
        if not (request.mode.stored and isinstance(backend, RecordingBackend)):
            return await backend.open_session(request)
        await threads.COMPUTE.run(backend.check, request)
        lock = await self._lock_meeting(request.meeting_id)
        try:
            await self.store.run(recover, request.meeting_id)
            if backend.offline:
                # Before the new recording exists: an error must not leave an open session.
                # Recordings of other backends may need a network, so they wait.
                earlier = await self._recordings(request.meeting_id)
                await self._process_all([old for old in earlier if old.backend == backend.name])
            recording = await self.store.run(Store.create, request, backend.name)
            owner = StoredRecording(self.store, recording, lock, self._hand_over)
            return await backend.open_recording(request, recording, owner)
        except BaseException:
            await _release(lock)
            raise

    async def reopen_session(self, session: Session, request: MeetingRequest) -> Session:
        """Replace a session that has received no audio, because the format has changed.

        Raises:
            MeetingBusyError, StoreError, BackendError: as :meth:`open_session`.
        """
        # The session still locks its meeting, so the newest recording is its own.
        found = await self._recordings(request.meeting_id) if request.mode.stored else []
        await session.aclose()
        replacement = await self.open_session(request)
        # Last, so that at any time the store knows the meeting.
        if found:
            await self._forget_empty(found[0])
        return replacement

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of the newest recording of a meeting.

        Processing continues where it was interrupted.  A finished meeting needs no
        backend, no key and no network.

        Raises:
            MeetingNotFoundError: no meeting has that id.
            SpeechError: its backend cannot be created, or a processing step failed.
        """
        recordings = await self._recordings(meeting_id)
        if recordings and recordings[0].state in (JobState.COMPLETED, JobState.FAILED):
            return recordings[0].status()
        await self._clean_up()
        if not recordings:
            return await (await self._backend()).status(meeting_id)
        return (await self._advance(meeting_id, recordings)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of the newest recording of a meeting.

        Raises:
            MeetingNotFoundError: no meeting has that id, or it was deleted.
            MeetingFailedError: it failed, with the reason.
            MeetingBusyError: it is not finished yet.
            SpeechError: its backend cannot be created or reached.
        """
        recordings = await self._recordings(meeting_id)
        if not recordings:
            return await (await self._backend()).transcript(meeting_id)
        return await self.store.run(Store.transcript, recordings[0].id)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Retry the newest recording of a meeting if it has failed, and return its status.

        Of a completed recording only the parts are retried that are missing in its transcript,
        which stays readable meanwhile.

        Raises:
            MeetingNotFoundError: no meeting has that id.
            MeetingFailedError: a retry is impossible, because its audio is gone.
            SpeechError: its backend cannot be created, or a processing step failed.
        """
        recordings = await self._recordings(meeting_id)
        if not recordings:
            return await (await self._backend()).resume(meeting_id)
        newest = recordings[0]
        backend = await self._backend(newest.backend)
        if isinstance(backend, RecordingBackend) and await _may_retry(backend, newest):
            await self.store.run(Store.resume, newest.id, incomplete=True)
            recordings = await self._recordings(meeting_id)
        return (await self._advance(meeting_id, recordings)).status()

    async def delete(self, meeting_id: str) -> None:
        """Delete audio and transcript of all recordings of a meeting, here and at its service.

        A process that works on the meeting stops, and the deletion waits for it, at most half
        a minute.  What cannot be deleted then, like a job that is running, is deleted at a
        later status query of any meeting that is not finished, or when meetings are listed.

        Raises:
            MeetingNotFoundError: no meeting has that id.
            MeetingBusyError: it is being recorded.
            SpeechError: its backend cannot be created or reached; nothing was deleted.
        """
        if not await self._recordings(meeting_id):
            await (await self._backend()).delete(meeting_id)
            return
        async with _released(await self._lock_meeting(meeting_id)):
            # Under the lock, so that two deletions do not both find the same recordings.
            recordings = await self._recordings(meeting_id)
            kept = [found for found in recordings if found.state is not JobState.DELETED]
            deleted = await self._delete_at_services(meeting_id, kept or recordings[:1])
            if not (kept or deleted):
                raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
            # All of them before the first cleanup, which may wait for a service.  Without the
            # recordings' locks: that they are deleted is what makes their workers stop.
            for recording in kept:
                await self.store.run(Store.delete, recording.id)
            with anyio.move_on_after(_DELETION_LIMIT_SECONDS):
                for recording in kept:
                    await self._clean_when_free(recording.id)

    async def recordings(self) -> list[Recording]:
        """Return all recordings in the store, the newest first.

        What processes that were killed left behind is removed: files, temporary folders, and
        what is due at services.
        """
        await self.store.run(Store.remove_leftovers)
        await threads.STORE.run(remove_abandoned)
        await self._clean_up()
        return await self.store.run(Store.recordings)

    async def process(self, recording_id: str) -> None:
        """Process a recording as far as is possible now.

        Does nothing while another process or task works on it.

        Raises:
            SpeechError: a step failed; a later call tries it again.
        """
        # A step may pass the recording on to another backend, which goes on at once.
        while await self._step(recording_id):
            pass

    async def _hand_over(self, recording_id: str) -> None:
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
        ended = await self.store.run(Store.get, recording_id)
        if ended.state is JobState.FAILED:
            # The program may never ask for the status.
            _logger.error("Meeting %r failed: %s", ended.meeting_id, ended.reason)

    async def aclose(self) -> None:
        """Close the backends and the store; worker processes and services continue."""
        with self._creating:
            self._closed = True
            backends, self._backends = list(self._backends.values()), {}
        with anyio.CancelScope(shield=True):
            # A stack, so that an error of one leaves none of the others open.
            async with AsyncExitStack() as stack:
                stack.push_async_callback(super().aclose)
                stack.push_async_callback(self.store.aclose)
                for backend in backends:
                    stack.push_async_callback(backend.aclose)

    async def _backend(self, name: str | None = None) -> Backend:
        known = self._backends.get(name or self.settings.backend)
        return await threads.COMPUTE.run(self.backend, name) if known is None else known

    async def _recordings(self, meeting_id: str) -> list[Recording]:
        return await self.store.run(Store.recordings, meeting_id)

    async def _advance(self, meeting_id: str, recordings: Sequence[Recording]) -> Recording:
        """Recover and process the recordings of a meeting; return the newest."""
        if any(recording.state is JobState.UPLOADING for recording in recordings):
            with suppress(MeetingBusyError):  # it is still being recorded
                async with _released(await self.store.run(Store.lock_meeting, meeting_id)):
                    await self.store.run(recover, meeting_id)
            recordings = await self._recordings(meeting_id)
        await self._process_all(recordings)
        return await self.store.run(Store.newest, meeting_id)

    async def _process_all(self, recordings: Sequence[Recording]) -> None:
        for recording in recordings:
            if recording.state is JobState.PROCESSING:
                await self.process(recording.id)

    async def _step(self, recording_id: str) -> bool:
        """Process one step; return whether another backend has to go on."""
        recording = await self.store.run(Store.get, recording_id)
        owner = recording.backend
        backend = await self._backend(owner)
        if recording.state is not JobState.PROCESSING or not isinstance(backend, RecordingBackend):
            return False
        async with self._locked(recording_id) as locked:
            if not locked:
                return False
            # Its state may have changed before the lock was acquired.
            recording = await self.store.run(Store.get, recording_id)
            try:
                if recording.state is JobState.PROCESSING and recording.backend == owner:
                    await backend.process(recording)
            except SpeechError:
                # Without its audio the step may fail in any way; that is no error.
                if (await self.store.run(Store.get, recording_id)).state is not JobState.DELETED:
                    raise
            after = await self.store.run(Store.get, recording_id)
            if after.state is JobState.DELETED and after.backend == owner:
                # Deleted during the step, which may have made more to delete.
                await self._discard_safely(backend, after)
        return after.state is JobState.PROCESSING and after.backend != owner

    async def _forget_empty(self, recording: Recording) -> None:
        backend = await self._backend(recording.backend)
        if isinstance(backend, RecordingBackend):
            await backend.discard(recording)
        await self.store.run(Store.forget_empty, recording.id)

    async def _delete_at_services(self, meeting_id: str, recordings: Sequence[Recording]) -> bool:
        """Delete what the services of these recordings keep; return whether there was any."""
        found = False
        for name in dict.fromkeys(recording.backend for recording in recordings):
            backend = await self._backend(name)
            with suppress(MeetingNotFoundError):
                await backend.delete(meeting_id)
                found = True
        return found

    async def _clean_up(self) -> None:
        """Delete what could not be deleted before; a failure concerns no other meeting."""
        due = await self.store.run(Store.due_cleanups, time.time())
        with anyio.move_on_after(_CLEANUP_LIMIT_SECONDS):
            for recording in due:
                # First: other queries need not wait for the same service meanwhile, nor the
                # next ones if it does not answer.
                await self._postpone(recording.id)
                await self._clean_safely(recording.id)

    async def _clean_when_free(self, recording_id: str) -> None:
        """Clean up after a deleted recording once no process works on it any more."""
        while not await self._clean_safely(recording_id):
            await anyio.sleep(_DELETION_PAUSE_SECONDS)

    async def _clean_safely(self, recording_id: str) -> bool:
        """Clean up after a recording, or try again later; return False if it is locked."""
        recording = await self.store.run(Store.get, recording_id)
        try:
            backend = await self._backend(recording.backend)
        except SpeechError as error:
            await self._warn_and_postpone(recording_id, error)
            return True
        async with self._locked(recording_id) as locked:
            if not locked:
                return False  # the holder of the lock notices the deletion
            # It may have been passed on, or cleaned up, before the lock was acquired.
            after = await self.store.run(Store.get, recording_id)
            if after.backend == recording.backend:
                await self._discard_safely(backend, after)
        return True

    async def _discard_safely(self, backend: Backend, recording: Recording) -> None:
        """Have a backend clean up after a recording that is locked, or try again later."""
        pause = None
        try:
            if isinstance(backend, RecordingBackend):
                pause = await backend.discard(recording)
        except SpeechError as error:
            await self._warn_and_postpone(recording.id, error)
            return
        if pause is None:
            await self.store.run(Store.cleaned, recording.id, recording.state)
        else:
            await self.store.run(Store.clean_later, recording.id, time.time() + pause)

    async def _warn_and_postpone(self, recording_id: str, error: SpeechError) -> None:
        # What the service refuses, it refuses until someone acts: with a key, for example.
        await self._postpone(
            recording_id, _CLEANUP_SECONDS if error.retryable else _REFUSED_CLEANUP_SECONDS
        )
        _logger.warning(
            "What recording %s left at its service is not deleted yet: %s", recording_id, error
        )

    async def _postpone(self, recording_id: str, pause: float = _CLEANUP_SECONDS) -> None:
        await self.store.run(Store.clean_later, recording_id, time.time() + pause)

    async def _lock_meeting(self, meeting_id: str) -> Lock:
        """Lock a meeting; retries, because a status query takes the lock briefly.

        Raises:
            MeetingBusyError: it stays locked.
        """
        for _ in range(_LOCK_TRIES - 1):
            with suppress(MeetingBusyError):
                return await self.store.run(Store.lock_meeting, meeting_id)
            await anyio.sleep(_LOCK_PAUSE_SECONDS)
        return await self.store.run(Store.lock_meeting, meeting_id)

    @asynccontextmanager
    async def _locked(self, recording_id: str) -> AsyncIterator[bool]:
        """Lock a recording; yields ``False`` while another process or task holds the lock."""
        try:
            lock = await self.store.run(Store.lock_recording, recording_id)
        except MeetingBusyError:
            yield False
            return
        async with _released(lock):
            yield True


@asynccontextmanager
async def _released(lock: Lock) -> AsyncIterator[None]:
    """Release a lock at the end of the block."""
    try:
        yield
    finally:
        await _release(lock)


async def _release(lock: Lock) -> None:
    with anyio.CancelScope(shield=True):
        await threads.STORE.run(lock.release)


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
