"""Sessions that record into a file, and the owners of what they record.

::

    push ──▶ spool file        finish ──▶ audio closed in the store ──▶ processing starts
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

import anyio

from speech_adapters import threads
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import AudioError, BackendError, StoreError
from speech_adapters.meeting_locks import release, released
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.store import AsyncStore, Lock, Recording
from speech_adapters.store.recovery import NO_AUDIO, close_audio
from speech_adapters.temporary import remove_folder

__all__ = [
    "LockedRecording",
    "RecordingOwner",
    "SpoolSession",
    "StoredRecording",
    "StoredSession",
    "TemporaryRecording",
]


# How long closing waits for the processing, such as an upload; the next status query
# continues it.
_PROCESS_SECONDS: Final = 300.0


class RecordingOwner(Protocol):
    """Whose recording it is, and what happens to it when its session ends."""

    def check(self) -> None:
        """Check before each block of audio that the recording may grow.

        Raises:
            StoreError: its lock was lost, so another process may have ended it.
        """
        ...

    async def hand_over(self, size: int | None) -> None:
        """Accept the recording, whose audio has ended.

        Args:
            size: bytes of audio; ``None`` if the audio is not recorded here, and the
                recording has been closed in the store already.
        """
        ...

    async def release(self, completed: bool) -> None:
        """Release the recording; the session is closed.

        Args:
            completed: whether a live session also stored the transcript.
        """
        ...


class TemporaryRecording:
    """The audio of a meeting that is only live; it is removed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self) -> None:
        """Do nothing: no other process has the folder."""

    async def hand_over(self, size: int | None) -> None:
        """Do nothing: the live events are all there is."""

    async def release(self, completed: bool) -> None:  # noqa: ARG002
        """Remove the folder."""
        await threads.AUDIO.run(remove_folder, self._folder)


class StoredRecording:
    """A recording in the meeting store.

    Args:
        store: the store.
        recording: the recording.
        lock: the lock of its meeting, released at the end.
        process: processes a recording, by its id, as far as possible.
    """

    def __init__(
        self,
        store: AsyncStore,
        recording: Recording,
        lock: Lock,
        process: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._recording = recording
        self._lock = lock
        self._process = process
        # A live session transcribes by itself, so processing waits for its end.
        self._live = recording.request.mode.live

    def check(self) -> None:
        """Check that the meeting is still locked."""
        if not self._lock.held:
            raise StoreError(
                "The recording was stopped, because its lock was lost: the server of the meeting"
                " store could not be reached for too long, and another process has taken the"
                " meeting. The audio until then is stored and will be transcribed."
            )

    async def hand_over(self, size: int | None) -> None:
        """End the audio in the store, and start the processing."""
        if size is not None:
            # Quick and local, so not canceled: otherwise the recording would count as cut off.
            with anyio.CancelScope(shield=True):
                await self._store.run(close_audio, self._recording, size)
        if not self._live:
            await self._process(self._recording.id)

    async def release(self, completed: bool) -> None:
        """Unlock the meeting; what the live session left undone is processed."""
        async with released(self._lock):
            if self._live and not completed:
                with anyio.move_on_after(_PROCESS_SECONDS):
                    await self._process(self._recording.id)


class LockedRecording:
    """The owner of a recording that is locked until its session ends."""

    def __init__(self, owner: RecordingOwner, lock: Lock) -> None:
        self._owner = owner
        self._lock = lock

    def check(self) -> None:
        """Check that the meeting is still locked."""
        self._owner.check()

    async def hand_over(self, size: int | None) -> None:
        """Accept the end of the audio."""
        await self._owner.hand_over(size)

    async def release(self, completed: bool) -> None:
        """Unlock the recording first: its owner may have it processed."""
        await release(self._lock)
        await self._owner.release(completed)


class _State(Enum):
    RECORDING = auto()
    FINISHED = auto()
    CLOSED = auto()


class SpoolSession(AsyncCloseable):
    """A meeting that is recorded; see :class:`speech_adapters.contract.Session`.

    ::

        RECORDING ──finish──▶ FINISHED ──aclose──▶ CLOSED
            └────────────────aclose──────────────────┘

    Args:
        audio: the path of the spool file.
        owner: the owner of the recording.
    """

    def __init__(self, audio: Path, owner: RecordingOwner) -> None:
        self._path = audio
        self._owner = owner
        # Created with the first audio: a meeting without audio has no file.
        self._spool: SpoolWriter | None = None
        # Keeps the order of pushes, which the session's end waits for.
        self._writing = anyio.Lock()
        # Guards the two around it, in worker threads: the session may be closed during a push.
        self._file_guard = threading.Lock()
        # Whether the size of the audio is final.
        self._audio_ended = False
        self._handed_over = anyio.Event()
        self._state = _State.RECORDING
        self._opened()

    @property
    def _closed(self) -> bool:
        return self._state is _State.CLOSED

    async def push(self, audio: bytes) -> None:
        """Append ``audio`` to the spool."""
        async with self._writing:
            if self._state is not _State.RECORDING:
                raise _ended_already()
            if audio:
                await threads.AUDIO.run(self._append, audio)

    async def finish(self) -> None:
        """End the recording and hand it over."""
        if self._state is _State.RECORDING:
            self._state = _State.FINISHED
            await self._finish()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield nothing; end once the recording is handed over."""
        await self._handed_over.wait()
        if self._spool is None and not self._closed:
            raise AudioError(NO_AUDIO)
        for event in tuple[SessionEvent, ...]():
            yield event

    async def aclose(self) -> None:
        """Close; a recording that is not finished ends here."""
        if self._closed:
            return
        unfinished = self._state is _State.RECORDING
        self._state = _State.CLOSED
        with anyio.CancelScope(shield=True):
            try:
                if unfinished:
                    with anyio.move_on_after(_PROCESS_SECONDS):
                        await self._finish()
            finally:
                # Even while another task still processes: no more events come.
                self._handed_over.set()
                await self._release()
                await super().aclose()

    async def _finish(self) -> None:
        size = 0
        try:
            with anyio.CancelScope(shield=True):
                async with self._writing:
                    size = await threads.AUDIO.run(self._end_audio)
            await self._owner.hand_over(size)
        finally:
            self._handed_over.set()

    async def _release(self) -> None:
        """Release everything; the recording has ended."""
        await self._owner.release(True)

    def _append(self, audio: bytes) -> None:
        self._owner.check()
        with self._file_guard:
            if self._audio_ended:
                raise _ended_already()
            if self._spool is None:
                self._spool = SpoolWriter(self._path)
            self._spool.write(audio)

    def _end_audio(self) -> int:
        """Close the spool and return its size in bytes."""
        with self._file_guard:
            self._audio_ended = True
            if self._spool is None:
                return 0
            with self._spool as spool:
                spool.sync()
                return spool.size


class StoredSession(SpoolSession):
    """A meeting that is only recorded, so that any thread can write its audio.

    Not in the base class: the sessions that also do something else with their audio override
    ``push``, and this method would go past them.
    """

    def push_blocking(self, audio: bytes) -> None:
        """Append ``audio`` to the spool; see :class:`speech_adapters.contract.BlockingSession`."""
        if audio:
            self._append(audio)


def _ended_already() -> BackendError:
    return BackendError("The recording has ended already: no more audio can be pushed.")
