"""The meeting service: the one owner of meetings, and the only access to them by id.

::

    open_session ──▶ recording in the store ──process──▶ final state
    status / transcript / resume / delete ──by id──▶ the store, or the backend that has it

It keeps one open store and one instance of each backend for its lifetime, so a status query
opens no store, reads no settings and builds no backend.  Recordings stay with the backend
that recorded them, whatever is configured later: their audio goes nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import anyio

from speech_adapters import threads
from speech_adapters.capabilities import Gap, with_usable_signatures
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, JobState, MeetingRequest, MeetingStatus, Session
from speech_adapters.deletion import MeetingDeleter
from speech_adapters.errors import MeetingNotFoundError, MissingExtraError, StoreError
from speech_adapters.execution import create_executor
from speech_adapters.processing import RecordingProcessor
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.recording.original import keep_original
from speech_adapters.registry import choose_backend, create_backend
from speech_adapters.sessions import SessionOpener
from speech_adapters.store import AsyncStore, MeetingSummary, Recording, Store
from speech_adapters.store.files import StoredAudio, find_audio
from speech_adapters.sweeping import Sweeper
from speech_adapters.temporary import remove_abandoned
from speech_adapters.transcript import AnyTranscript, Transcript

__all__ = ["MeetingService"]


class MeetingService(AsyncCloseable):
    """Records meetings and answers questions about them by id.

    To be used on one event loop of asyncio, by any number of tasks, and closed at the end::

        async with MeetingService(load_settings()) as meetings:
            async with await meetings.open_session(request) as session:
                ...
            status = await meetings.status(request.meeting_id)

    Args:
        settings: which backend is used, its options, and the store's folder.
        in_worker: whether this process is a worker of the executor, so that recordings are
            processed here.

    Attributes:
        settings: the settings.
        store: the meeting store.
        in_worker: see above.
    """

    def __init__(self, settings: Settings, *, in_worker: bool = False) -> None:
        self.settings = settings
        self.in_worker = in_worker
        # None for processes of this machine.
        self._executor = None if in_worker else create_executor(settings)
        self.store = AsyncStore(settings.state_dir, settings.store)
        self._sweeper = Sweeper(self.store)
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

    def adopt(self, backend: Backend) -> Backend:
        """Use a backend that was created elsewhere, unless there is one of its name already.

        Blocks.  The service closes the one that it returns.

        Raises:
            StoreError: the service is closed.
        """
        with self._creating:
            if self._closed:
                raise StoreError("The meeting service is closed: create another one.")
            return self._backends.setdefault(backend.name, backend)

    def check_executor(self) -> None:
        """Check the settings and packages of the executor; connects to nothing.  Blocks.

        Raises:
            MissingExtraError: its package is not installed.
            ConfigurationError: a setting of it is missing or wrong.
        """
        if self._executor is not None:
            self._executor.check()

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
        return await self._opener.open(backend, request)

    async def take_over_session(self, request: MeetingRequest, position: int) -> Session:
        """Continue a meeting whose recording was cut off, because its process died.

        The new session's recording begins with the audio of the old one up to ``position``,
        so all of it is transcribed again, and its events start at 0.  When this returns, the
        old recording is deleted.  If this process dies before, the old recording still counts.

        Args:
            request: what the program requests now; a stored mode.
            position: the length of the audio that is continued, in ticks.

        Raises:
            MeetingNotFoundError: there is no such recording, its audio is shorter or of another
                format, or another backend recorded it.
            MeetingBusyError: the meeting is being recorded.
            StoreError: the meeting cannot be made durable.
            BackendError: the engine or service cannot be reached.
        """
        backend = await self._backend()
        if not (request.mode.stored and isinstance(backend, RecordingBackend)):
            raise MeetingNotFoundError(
                f"Meeting {request.meeting_id!r} cannot be continued, since the audio of such a"
                " meeting is not in the meeting store. Start a new recording."
            )
        return await self._opener.take_over(backend, request, position)

    async def reopen_session(self, session: Session, request: MeetingRequest) -> Session:
        """Replace a session that has received no audio, because the format has changed.

        A session is opened with the declared format, so that a stored meeting is in the store when
        the start call returns.  A stream may then begin with a WAV header of another format.

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

    async def abandon_session(self, session: Session, request: MeetingRequest) -> None:
        """Close a session and delete its recording, which lacks audio; nothing is processed.

        Raises:
            StoreError: it cannot be deleted.  The session stays open, so it counts as cut off.
        """
        await self._opener.abandon(session, request)

    async def discard_cut_off(self, meeting_id: str) -> None:
        """Delete the recordings of a meeting that were cut off, instead of processing them.

        Raises:
            MeetingBusyError: the meeting is being recorded.
        """
        await self._opener.discard_cut_off(meeting_id)

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

    async def replace_notes(self, request: MeetingRequest) -> None:
        """Replace the notes of a stored meeting that is still being recorded.

        Args:
            request: the request of the session, with all notes.
        """
        recordings = await self._recordings(request.meeting_id)
        if recordings:
            await self.store.run(Store.replace_notes, recordings[0].id, request.notes)

    async def keep_original(self, meeting_id: str, file: Path) -> None:
        """Keep a compressed file beside the recording that has all of its audio.

        To be called before the session is finished; does nothing where the backend sends no
        such files.

        Args:
            meeting_id: the meeting, which is stored and still being recorded.
            file: the file; it is copied.
        """
        recordings = await self._recordings(meeting_id)
        if recordings:
            backend = await self._backend(recordings[0].backend)
            if getattr(backend, "sends_originals", False):
                await threads.AUDIO.run(keep_original, recordings[0], file)

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
            return await (await self._backend_for_unknown(meeting_id)).status(meeting_id)
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
            return await (await self._backend_for_unknown(meeting_id)).transcript(meeting_id)
        return await self.store.run(Store.transcript, recordings[0].id)

    async def stream(self, meeting_id: str) -> AnyTranscript:
        """Return the transcript of the newest recording of a meeting, for one of any length.

        If it is in the store, iterating over its utterances reads them chunk by chunk, which
        blocks, and is possible until the service is closed.  It raises StoreError if they are
        damaged, and MeetingNotFoundError if the meeting was deleted meanwhile.

        Raises: as :meth:`transcript`.
        """
        recordings = await self._recordings(meeting_id)
        if not recordings:
            return await (await self._backend_for_unknown(meeting_id)).transcript(meeting_id)
        return await self.store.run(Store.stream, recordings[0].id)

    async def audio(self, meeting_id: str) -> StoredAudio:
        """Return the audio of the newest recording of a meeting.

        Once the meeting is completed, there is some only with the setting ``keep_audio``; and
        until the meeting is deleted.

        Raises:
            MeetingNotFoundError: no meeting has that id, or its audio is not here.
        """
        recording = await self.store.run(Store.newest, meeting_id)
        return await threads.STORE.run(find_audio, recording)

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
            return await (await self._backend_for_unknown(meeting_id)).resume(meeting_id)
        if await self._processor.retry(recordings[0]):
            recordings = await self._recordings(meeting_id)
        return (await self._processor.advance(meeting_id, recordings)).status()

    async def delete(self, meeting_id: str) -> None:
        """Delete audio and transcript of all recordings of a meeting, here and at its service.

        A process that works on the meeting stops, and the deletion waits for it, at most half
        a minute.  What cannot be deleted then, like a job that is running, is deleted at a
        later status query of any meeting that is not finished, or when meetings are listed.
        The second transcript of the backend ``shadow`` is deleted too, after the meeting.

        Raises:
            MeetingNotFoundError: no meeting has that id.
            MeetingBusyError: it is being recorded.
            SpeechError: its backend cannot be created or reached; nothing was deleted.
        """
        try:
            await self._delete(meeting_id)
        except MeetingNotFoundError:
            # An earlier call may have been interrupted between the two, and ``shadow`` may just
            # be storing a meeting that was only live.
            second = await self._delete_second(meeting_id)
            found = await self._recordings(meeting_id)
            if any(recording.state is not JobState.DELETED for recording in found):
                await self._deleter.delete(meeting_id)
            elif not second:
                raise
        else:
            await self._delete_second(meeting_id)

    async def recordings(
        self,
        states: Sequence[JobState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[Recording]:
        """Return the recordings in the store, the newest first.

        Args:
            states: only those in one of these states; empty for any.
            since: only those that began at this time or later.
            limit: how many at most; ``None`` for all.

        What processes that were killed left behind is removed: files, temporary folders, and
        what is due at services.
        """
        await self.store.run(Store.remove_leftovers)
        await threads.STORE.run(remove_abandoned)
        await self._deleter.clean_up_due()
        return await self.store.run(Store.listed, states, since, limit)

    async def summaries(self, prefix: str, limit: int, before: str = "") -> list[MeetingSummary]:
        """Return the newest recording of each meeting whose id starts with ``prefix``.

        The newest meeting is the first; deleted ones are left out.  Nothing is recovered or
        processed.

        Args:
            prefix: the first characters of the ids; no character has a special meaning.  Of one
                with a slash, and of the empty one, the cost depends on ``limit`` and on the
                deleted meetings between the others only.
            limit: how many at most.
            before: the ``recording_id`` of the last summary of the page before; empty for the
                first page.
        """
        return await self.store.run(Store.summaries, prefix, limit, before)

    async def summary(self, meeting_id: str) -> MeetingSummary:
        """Return the summary of the newest recording of a meeting; nothing is processed.

        Raises:
            MeetingNotFoundError: the store has no meeting of that id.
        """
        return (await self.store.run(Store.newest, meeting_id)).summary()

    async def sweep(self, grace: float | None = None) -> None:
        """Continue what dead processes left, of all meetings; to be called every few seconds.

        Recordings that were cut off are ended and processed, those in the state Processing are
        continued, and cleanups that are due are tried.  An error of one meeting is logged, and
        the meeting is tried again after a pause.  Costs one query if there is nothing to do.

        A call may be made while an earlier one runs, for example because it uploads audio:
        recordings that it works on are skipped.

        Args:
            grace: seconds that a meeting stays open after the first sweep that found it
                without a process, so that another one can take it over; by default the
                setting ``take_over_seconds``.

        Raises:
            StoreError: the store cannot be used.
        """
        limit = self.settings.take_over_seconds if grace is None else grace
        await self._sweeper.sweep(self._processor, self._deleter, limit)

    async def process(self, recording_id: str) -> None:
        """Process a recording as far as is possible now, or have the executor do so.

        Does nothing while another process or task works on it.

        Raises:
            SpeechError: a step failed; a later call tries it again.
        """
        await self._processor.process(recording_id)

    async def aclose(self) -> None:
        """Close the backends and the store; worker processes and services continue."""
        with anyio.CancelScope(shield=True):
            await self._settle()
        with self._creating:
            self._closed = True
            backends, self._backends = list(self._backends.values()), {}
        with anyio.CancelScope(shield=True):
            # A stack, so that an error of one leaves none of the others open.
            async with AsyncExitStack() as stack:
                stack.push_async_callback(super().aclose)
                stack.push_async_callback(self.store.aclose)
                if self._executor is not None:
                    stack.push_async_callback(self._executor.aclose)
                for backend in backends:
                    stack.push_async_callback(backend.aclose)

    # Both refer to this service, so it keeps none of them: in a circle of references, one that
    # was never closed would be noticed late.
    @property
    def _processor(self) -> RecordingProcessor:
        # Another process may be about to take the meeting over.
        recovers = not self.settings.take_over_seconds
        return RecordingProcessor(
            self.store, self._backend, self._deleter, self._executor, recovers=recovers
        )

    @property
    def _opener(self) -> SessionOpener:
        return SessionOpener(self.store, self._processor, keep_audio=self.settings.keep_audio)

    @property
    def _deleter(self) -> MeetingDeleter:
        return MeetingDeleter(self.store, self._backend)

    async def _backend(self, name: str | None = None) -> Backend:
        known = self._backends.get(name or self.settings.backend)
        return await threads.COMPUTE.run(self.backend, name) if known is None else known

    async def _backend_for_unknown(self, meeting_id: str) -> Backend:
        """Return the configured backend, whose service may know a meeting that is not stored."""
        try:
            return await self._backend()
        except MissingExtraError as error:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r} in {self.store.directory}: check the id and"
                f' the setting "state_dir". No service was asked: {error}'
            ) from error

    async def _delete(self, meeting_id: str) -> None:
        if await self._recordings(meeting_id):
            await self._deleter.delete(meeting_id)
        else:
            await (await self._backend_for_unknown(meeting_id)).delete(meeting_id)

    async def _delete_second(self, meeting_id: str) -> bool:
        # First: otherwise it could be recorded or completed after the deletion.
        await self._settle(meeting_id)
        return await self._deleter.delete_second(meeting_id)

    async def _settle(self, meeting_id: str | None = None) -> None:
        for backend in [*self._backends.values()]:
            if isinstance(backend, RecordingBackend):
                await backend.settle(meeting_id)

    async def _recordings(self, meeting_id: str) -> list[Recording]:
        return await self.store.run(Store.recordings, meeting_id)

    async def _forget_empty(self, recording: Recording) -> None:
        backend = await self._backend(recording.backend)
        if isinstance(backend, RecordingBackend):
            await backend.discard(recording)
        await self.store.run(Store.forget_empty, recording.id)
