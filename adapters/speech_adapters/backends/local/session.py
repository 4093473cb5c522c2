"""A meeting with live events that the local backend records.

The audio is written to a file first, so that none is lost when the worker process dies.
The worker follows that file and sends messages on its standard output.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import Enum, auto
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from speech_adapters import threads
from speech_adapters.backends.local.job import TranscriptionJob, command
from speech_adapters.backends.local.protocol import (
    Failed,
    Finished,
    NeedAudio,
    WorkerMessage,
    decode,
)
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import AudioError, BackendError
from speech_adapters.recording.session import RecordingOwner
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.store.recovery import NO_AUDIO

__all__ = ["LocalSession"]

_MAX_LINE: Final = 64 * 1024 * 1024
_EXIT_SECONDS: Final = 5.0


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
        job: the order for the worker; the session writes the file ``job.audio``.
        owner: the owner of the recording.
    """

    def __init__(self, job: TranscriptionJob, owner: RecordingOwner) -> None:
        # The order for the worker.
        self._job = job
        # The owner of the recording, called when the audio ends and at the end.
        self._owner = owner
        # The place in the life cycle above.
        self._state = _State.RECORDING
        # Writes the file; created with the first audio, since one without audio has no file.
        self._spool: SpoolWriter | None = None
        # The worker; started with the first audio, so an empty meeting loads no engine.
        self._worker: Process | None = None
        # Held to write or end the file and to start or stop the worker: the session may be
        # closed during a push.
        self._changing = anyio.Lock()
        # Set when the worker runs or never will: until then events() has no messages to read.
        self._started = anyio.Event()
        # The size of the file when the worker ran out of audio; None while it is busy.
        self._waiting_at: int | None = None
        # Bytes in the file.
        self._size = 0
        self._opened()

    async def push(self, audio: bytes) -> None:
        """Append ``audio`` to the file; the first audio starts the worker."""
        async with self._changing:
            if self._state is not _State.RECORDING:
                raise BackendError("The recording has ended already: no more audio can be pushed.")
            if not audio:
                return
            await threads.AUDIO.run(self._append, audio)
            if self._worker is None:
                await self._start_worker()
        await self._announce_audio()

    async def finish(self) -> None:
        """End the recording and hand it over; the worker transcribes the rest."""
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
            await self._send(f"end {self._size}\n")

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield the events that the worker sends.

        Raises:
            AudioError: the meeting has no audio.
            BackendError: the worker failed or died.
        """
        await self._started.wait()
        if self._state is _State.FINISHED and not self._size:
            raise AudioError(NO_AUDIO)
        if self._worker is None or self._worker.stdout is None:
            # It could not be started, which push has raised.
            return
        lines = BufferedByteReceiveStream(self._worker.stdout)
        while not isinstance(message := await self._receive(lines), Finished):
            if isinstance(message, Failed):
                raise BackendError(message.reason)
            if isinstance(message, NeedAudio):
                self._waiting_at = message.size
                await self._announce_audio()
            else:
                yield message
        if self._state is _State.FINISHED:
            self._state = _State.COMPLETED

    async def aclose(self) -> None:
        """Close; a recording that is not finished ends here.

        A worker that still transcribes is stopped.  The owner starts another one for a
        stored meeting, which then needs no session.
        """
        if self._state is _State.CLOSED:
            return
        before, self._state = self._state, _State.CLOSED
        # First: an error below must not cause a ResourceWarning as well.
        await super().aclose()
        with anyio.CancelScope(shield=True):
            try:
                async with self._changing:
                    await self._stop_worker(completed=before is _State.COMPLETED)
                    if before is _State.RECORDING:
                        await self._end_audio()
            finally:
                self._started.set()
                await self._owner.release(before is _State.COMPLETED)

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

    async def _start_worker(self) -> None:
        try:
            # In a session of its own, so that Ctrl+C in the terminal does not reach it: the
            # program decides what happens to the meeting.
            self._worker = await anyio.open_process(
                command(self._job), stderr=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise BackendError(
                f"The speech engine's process cannot be started: {error}."
            ) from error
        self._started.set()

    async def _announce_audio(self) -> None:
        """Wake the worker if it waits and the file has grown since."""
        if self._waiting_at is not None and self._size > self._waiting_at:
            # Reset before the first await: push and events both come here.
            self._waiting_at = None
            await self._send("more\n")

    async def _send(self, command: str) -> None:
        if self._worker is not None and self._worker.stdin is not None:
            # The reader of the events notices that a worker has died, and raises.
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._worker.stdin.send(command.encode())

    async def _receive(self, lines: BufferedByteReceiveStream) -> WorkerMessage:
        try:
            line = await lines.receive_until(b"\n", _MAX_LINE)
        except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
            if self._state is _State.CLOSED:
                return Finished()  # stopped by aclose
            raise BackendError(
                "The speech engine's process died. A stored meeting is not lost: ask for it by"
                " its id. Otherwise start the meeting again."
            ) from None
        return decode(line)

    async def _stop_worker(self, *, completed: bool) -> None:
        worker = self._worker
        if worker is None:
            return
        # After its last message a worker exits by itself.  Others are stopped before their
        # input is closed, which to them means that the program died.
        if not (completed and await _exited(worker)):
            with suppress(ProcessLookupError):
                worker.terminate()
            if not await _exited(worker):
                worker.kill()
        await worker.aclose()


async def _exited(worker: Process) -> bool:
    with anyio.move_on_after(_EXIT_SECONDS):
        await worker.wait()
        return True
    return False
