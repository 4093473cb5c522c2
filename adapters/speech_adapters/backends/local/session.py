"""A meeting with live events that the local backend records.

The audio is written to a file first, so that none is lost when the engine process dies.
That process follows the file and sends messages.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum, auto

import anyio

from speech_adapters import threads
from speech_adapters.backends.local import engine_process
from speech_adapters.backends.local.engine_process import Connection
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.protocol import (
    Failed,
    Finished,
    NeedAudio,
    Stopped,
    WorkerMessage,
)
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import AudioError, BackendError
from speech_adapters.recording.session import RecordingOwner
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.store.recovery import NO_AUDIO

__all__ = ["LocalSession"]


class _State(Enum):
    RECORDING = auto()
    FINISHED = auto()
    COMPLETED = auto()
    CLOSED = auto()


class LocalSession(AsyncCloseable):
    """A meeting with live events; see :class:`speech_adapters.contract.Session`.

    ::

        RECORDING ──finish──▶ FINISHED ──last message──▶ COMPLETED
            │                    │                           │
            └───────aclose───────┴───────────aclose──────────┴──▶ CLOSED

    Only a meeting that was COMPLETED has all its events, and its transcript in the store.

    Args:
        job: the order for the engine process; the session writes the file ``job.audio``.
        owner: the owner of the recording.
    """

    def __init__(self, job: TranscriptionJob, owner: RecordingOwner) -> None:
        # The order for the engine process.
        self._job = job
        # The owner of the recording, called when the audio ends and at the end.
        self._owner = owner
        # The place in the life cycle above.
        self._state = _State.RECORDING
        # Writes the file; created with the first audio, since one without audio has no file.
        self._spool: SpoolWriter | None = None
        # The engine process; it starts with the first audio, so an empty meeting loads no engine.
        self._engine: Connection | None = None
        # Held to write or end the file and to connect or disconnect: the session may be closed
        # during a push.
        self._changing = anyio.Lock()
        # Set when the engine runs or never will: until then events() has no messages to read.
        self._started = anyio.Event()
        # The size of the file when the engine ran out of audio; None while it is busy.
        self._waiting_at: int | None = None
        # Bytes in the file.
        self._size = 0
        self._opened()

    async def push(self, audio: bytes) -> None:
        """Append ``audio`` to the file; the first audio starts the transcription."""
        async with self._changing:
            if self._state is not _State.RECORDING:
                raise BackendError("The recording has ended already: no more audio can be pushed.")
            if not audio:
                return
            await threads.AUDIO.run(self._append, audio)
            if self._engine is None:
                self._engine = await engine_process.connect(self._job)
                self._started.set()
        self._announce_audio()

    async def finish(self) -> None:
        """End the recording and hand it over; the rest is still transcribed."""
        if self._state is not _State.RECORDING:
            return
        self._state = _State.FINISHED
        try:
            # Quick and local, so not canceled: otherwise the recording would count as cut off.
            with anyio.CancelScope(shield=True):
                async with self._changing:
                    await self._end_audio()
        finally:
            # Even after an error, or the iterator of events would never end.
            self._started.set()
            self._send("end", self._size)

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield the events that the engine process sends.

        Raises:
            AudioError: the meeting has no audio.
            BackendError: the engine failed, or its process died.
        """
        await self._started.wait()
        if self._state is _State.FINISHED and not self._size:
            raise AudioError(NO_AUDIO)
        if self._engine is None:
            # It could not be started, which push has raised.
            return
        while not isinstance(message := await self._receive(self._engine), Finished):
            if isinstance(message, Failed):
                raise BackendError(message.reason)
            if isinstance(message, Stopped):
                raise BackendError("The meeting was deleted while it was transcribed.")
            if isinstance(message, NeedAudio):
                self._waiting_at = message.size
                self._announce_audio()
            else:
                yield message
        if self._state is _State.FINISHED:
            self._state = _State.COMPLETED

    async def aclose(self) -> None:
        """Close; a recording that is not finished ends here.

        A transcription that still runs is stopped.  The owner starts another one for a
        stored meeting, which then needs no session.
        """
        if self._closed:
            return
        before, self._state = self._state, _State.CLOSED
        # First: an error below must not cause a ResourceWarning as well.
        await super().aclose()
        with anyio.CancelScope(shield=True):
            try:
                async with self._changing:
                    if self._engine is not None:
                        await self._engine.close()
                    if before is _State.RECORDING:
                        await self._end_audio()
            finally:
                self._started.set()
                await self._owner.release(before is _State.COMPLETED)

    @property
    def _closed(self) -> bool:
        return self._state is _State.CLOSED

    async def _receive(self, engine: Connection) -> WorkerMessage:
        """Return the next message; nothing more is of interest once the session is closed."""
        try:
            message = Finished() if self._closed else await engine.receive()
        except BackendError:
            if self._closed:
                return Finished()
            raise
        return Finished() if self._closed else message

    def _append(self, audio: bytes) -> None:
        if self._spool is None:
            self._spool = SpoolWriter(self._job.audio)
        self._spool.write(audio)
        self._size = self._spool.size

    async def _end_audio(self) -> None:
        await threads.AUDIO.run(self._close_spool)
        await self._owner.hand_over(self._size)

    def _close_spool(self) -> None:
        if self._spool is not None:
            with self._spool:
                self._spool.sync()

    def _announce_audio(self) -> None:
        """Wake the engine if it waits and the file has grown since."""
        if self._waiting_at is not None and self._size > self._waiting_at:
            self._waiting_at = None
            self._send("more")

    def _send(self, command: str, *argument: int) -> None:
        if self._engine is not None:
            self._engine.send(command, *argument)
