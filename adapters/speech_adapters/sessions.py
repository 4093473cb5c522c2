"""The opening of sessions that record into the meeting store.

::

    open       lock ──▶ recover ──▶ create ──▶ session
    take_over  lock ──▶ create ──▶ session ──▶ copy the audio ──▶ delete the old recording

The lock is that of the meeting, which the session then keeps until its end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.capabilities import with_usable_signatures
from speech_adapters.contract import JobState, MeetingRequest, Session
from speech_adapters.errors import MeetingNotFoundError, SpeechError, StoreError
from speech_adapters.meeting_locks import lock_meeting, release, released
from speech_adapters.processing import RecordingProcessor
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.recording.session import StoredRecording
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.store import AsyncStore, Lock, Recording, Store
from speech_adapters.store.recovery import CUT_SHORT, discard_copies, recover

__all__ = ["SessionOpener"]

# Memory that a take-over needs, whatever the length of the meeting.
_BLOCK_BYTES: Final = 1024 * 1024


class SessionOpener:
    """Opens sessions that record into the store.

    Args:
        store: the meeting store.
        processor: processes earlier recordings of a meeting, and those whose session ends.
        keep_audio: whether the audio of the recordings stays after their completion.
    """

    def __init__(
        self,
        store: AsyncStore,
        processor: RecordingProcessor,
        *,
        keep_audio: bool,
    ) -> None:
        self._store = store
        self._processor = processor
        self._keep_audio = keep_audio

    async def open(self, backend: RecordingBackend, request: MeetingRequest) -> Session:
        """Open a session; see ``MeetingService.open_session``."""
        async with self._locked(backend, request) as lock:
            await self._store.run(recover, request.meeting_id)
            if backend.offline:
                # Before the new recording exists: an error must not leave an open session.
                # Recordings of other backends may need a network, so they wait.
                earlier = await self._store.run(Store.recordings, request.meeting_id)
                await self._processor.process_all(
                    [old for old in earlier if old.backend == backend.owner_name]
                )
            recording = await self._create(backend, request)
            return await self._record(backend, request, recording, lock)

    async def take_over(
        self, backend: RecordingBackend, request: MeetingRequest, position: int
    ) -> Session:
        """Open a session with earlier audio; see ``MeetingService.take_over_session``."""
        async with self._locked(backend, request) as lock:
            await self._store.run(discard_copies, request.meeting_id)
            replaced = await self._store.run(Store.newest, request.meeting_id)
            _check(replaced, request, backend)
            # Opened first: a worker may complete the recording just now and remove its audio.
            with await threads.AUDIO.run(_open_audio, replaced, position) as audio:
                recording = await self._create(backend, request, replaces=replaced.id)
                session = await self._record(backend, request, recording, lock)
                try:
                    await _copy(audio, session, request, position)
                    await self._store.run(Store.replace, recording.id)
                except BaseException:
                    await self._discard(recording, session)
                    raise
        return session

    async def abandon(self, session: Session, request: MeetingRequest) -> None:
        """Delete the recording of a session; see ``MeetingService.abandon_session``."""
        with anyio.CancelScope(shield=True):
            # The session still locks its meeting, so the newest recording is its own.
            recording = await self._store.run(Store.newest, request.meeting_id)
            await self._store.run(Store.delete, recording.id)
            with suppress(SpeechError):
                await session.aclose()

    async def discard_cut_off(self, meeting_id: str) -> None:
        """Delete what was cut off; see ``MeetingService.discard_cut_off``."""
        async with released(await lock_meeting(self._store, meeting_id)):
            for recording in await self._store.run(Store.recordings, meeting_id):
                if recording.state is JobState.UPLOADING:
                    await self._store.run(Store.delete, recording.id)

    @asynccontextmanager
    async def _locked(
        self, backend: RecordingBackend, request: MeetingRequest
    ) -> AsyncIterator[Lock]:
        """Lock a meeting whose request can be served; the lock is released after an error only."""
        await threads.COMPUTE.run(backend.check, request)
        lock = await lock_meeting(self._store, request.meeting_id)
        try:
            yield lock
        except BaseException:
            await release(lock)
            raise

    async def _create(
        self, backend: RecordingBackend, request: MeetingRequest, replaces: str = ""
    ) -> Recording:
        stored = with_usable_signatures(request, backend.capabilities)
        return await self._store.run(
            Store.create, stored, backend.owner_name, keep_audio=self._keep_audio, replaces=replaces
        )

    async def _record(
        self, backend: RecordingBackend, request: MeetingRequest, recording: Recording, lock: Lock
    ) -> Session:
        owner = StoredRecording(self._store, recording, lock, self._processor.process_ended)
        return await backend.open_recording(request, recording, owner)

    async def _discard(self, recording: Recording, session: Session) -> None:
        """Delete a recording that lacks audio of the one that it was to take over."""
        with anyio.CancelScope(shield=True):
            try:
                # First, so that closing the session processes nothing.
                await self._store.run(Store.delete, recording.id)
            finally:
                with suppress(SpeechError):
                    await session.aclose()


def _check(recording: Recording, request: MeetingRequest, backend: RecordingBackend) -> None:
    """Raise MeetingNotFoundError unless a recording can be continued by this request."""
    cut_off = recording.state is JobState.UPLOADING or CUT_SHORT in recording.notes
    if not cut_off:
        raise _impossible(recording, f"it was not cut off, its state is {recording.state.value}")
    if recording.request.audio != request.audio:
        raise _impossible(recording, "its audio has another format")
    # Its audio goes nowhere else, whatever is configured by now.
    if recording.backend not in (backend.name, backend.owner_name):
        raise _impossible(recording, f"the backend {recording.backend} recorded it")


def _open_audio(recording: Recording, position: int) -> SpoolReader:
    """Open audio that has at least ``position`` ticks.  Blocks.

    Raises:
        MeetingNotFoundError: it is shorter, or was removed.
    """
    try:
        audio = SpoolReader(recording.audio_path)
    except StoreError:
        raise _impossible(recording, "its audio is not here") from None
    length = recording.request.audio.ticks(audio.size)
    if length < position:
        audio.close()
        raise _impossible(recording, f"its audio ends at {length} ticks, before {position}")
    return audio


async def _copy(
    audio: SpoolReader, session: Session, request: MeetingRequest, position: int
) -> None:
    left = request.audio.size(position)
    most = _BLOCK_BYTES // request.audio.frame_bytes * request.audio.frame_bytes
    while left:
        block = await threads.AUDIO.run(audio.read, min(left, most))
        if not block:
            raise StoreError(f"The audio file {audio.path} became shorter while it was copied.")
        # Waits while the backend cannot accept more.
        await session.push(block)
        left -= len(block)


def _impossible(recording: Recording, reason: str) -> MeetingNotFoundError:
    return MeetingNotFoundError(
        f"Meeting {recording.meeting_id!r} cannot be continued: {reason}. Start a new recording."
    )
