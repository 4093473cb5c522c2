"""The meeting service: the one owner of meetings, and the only access to them by id.

::

    open_session ──▶ recording in the store ──process──▶ final state
    status / transcript / resume / delete ──by id──▶ the store, or the backend that has it

It keeps one open store and one instance of each backend for its lifetime, so a status query
opens no store, reads no settings and builds no backend.  Recordings stay with the backend
that recorded them, whatever is configured later: their audio goes nowhere else.
"""

from __future__ import annotations

import logging
import threading
from contextlib import AsyncExitStack

import anyio

from speech_adapters import threads
from speech_adapters.capabilities import Gap, with_usable_signatures
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, JobState, MeetingRequest, MeetingStatus, Session
from speech_adapters.deletion import MeetingDeleter
from speech_adapters.errors import SpeechError, StoreError
from speech_adapters.meeting_locks import lock_meeting, release
from speech_adapters.processing import RecordingProcessor
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.recording.session import StoredRecording
from speech_adapters.registry import choose_backend, create_backend
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.store.recovery import recover
from speech_adapters.temporary import remove_abandoned
from speech_adapters.transcript import Transcript

__all__ = ["MeetingService"]

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
        lock = await lock_meeting(self.store, request.meeting_id)
        try:
            await self.store.run(recover, request.meeting_id)
            if backend.offline:
                # Before the new recording exists: an error must not leave an open session.
                # Recordings of other backends may need a network, so they wait.
                earlier = await self._recordings(request.meeting_id)
                await self._processor.process_all(
                    [old for old in earlier if old.backend == backend.name]
                )
            stored = with_usable_signatures(request, backend.capabilities)
            recording = await self.store.run(Store.create, stored, backend.name)
            owner = StoredRecording(self.store, recording, lock, self._hand_over)
            return await backend.open_recording(request, recording, owner)
        except BaseException:
            await release(lock)
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
        # Last, so that the meeting is in the store at any time.
        if found:
            await self._forget_empty(found[0])
        return replacement

    async def replace_attendees(self, request: MeetingRequest) -> None:
        """Replace the attendees of a stored meeting that is still being recorded.

        Only their voice signatures matter, and only where the backend uses them after the
        end of the audio.

        Args:
            request: the request of the session, with the present attendees.
        """
        recordings = await self._recordings(request.meeting_id)
        if recordings:
            backend = await self._backend(recordings[0].backend)
            attendees = with_usable_signatures(request, backend.capabilities).attendees
            await self.store.run(Store.replace_attendees, recordings[0].id, attendees)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of the newest recording of a meeting.

        Processing continues where it was interrupted, unless the store can only be read.  A
        finished meeting needs no backend, no key and no network.

        Raises:
            MeetingNotFoundError: no meeting has that id.
            SpeechError: its backend cannot be created, or a processing step failed.
        """
        recordings = await self._recordings(meeting_id)
        if recordings:
            finished = recordings[0].state in (JobState.COMPLETED, JobState.FAILED)
            if finished or await self.store.run(lambda store: store.read_only):
                return recordings[0].status()
        await self._deleter.clean_up_due()
        if not recordings:
            return await (await self._backend()).status(meeting_id)
        return (await self._processor.advance(meeting_id, recordings)).status()

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
        if await self._processor.retry(recordings[0]):
            recordings = await self._recordings(meeting_id)
        return (await self._processor.advance(meeting_id, recordings)).status()

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
        await self._deleter.delete(meeting_id)

    async def recordings(self) -> list[Recording]:
        """Return all recordings in the store, the newest first.

        What processes that were killed left behind is removed: files, temporary folders, and
        what is due at services.
        """
        await self.store.run(Store.remove_leftovers)
        await threads.STORE.run(remove_abandoned)
        await self._deleter.clean_up_due()
        return await self.store.run(Store.recordings)

    async def process(self, recording_id: str) -> None:
        """Process a recording as far as is possible now.

        Does nothing while another process or task works on it.

        Raises:
            SpeechError: a step failed; a later call tries it again.
        """
        await self._processor.process(recording_id)

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

    # Both refer to this service, so it keeps none of them: in a circle of references, one that
    # was never closed would be noticed late.
    @property
    def _processor(self) -> RecordingProcessor:
        return RecordingProcessor(self.store, self._backend, self._deleter)

    @property
    def _deleter(self) -> MeetingDeleter:
        return MeetingDeleter(self.store, self._backend)

    async def _backend(self, name: str | None = None) -> Backend:
        known = self._backends.get(name or self.settings.backend)
        return await threads.COMPUTE.run(self.backend, name) if known is None else known

    async def _recordings(self, meeting_id: str) -> list[Recording]:
        return await self.store.run(Store.recordings, meeting_id)

    async def _forget_empty(self, recording: Recording) -> None:
        backend = await self._backend(recording.backend)
        if isinstance(backend, RecordingBackend):
            await backend.discard(recording)
        await self.store.run(Store.forget_empty, recording.id)
