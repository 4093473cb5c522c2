"""A meeting with live events, being recorded by the local backend.

The audio is written to a file first.  The worker follows that file, and says on its
standard output what :meth:`LocalSession.events` gives; it is woken only when it said
that it waits, so a busy worker is never flooded.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.to_thread import run_sync

from speech_adapters.backends.local.job import Job
from speech_adapters.backends.local.launch import command
from speech_adapters.backends.local.protocol import Done, Failed, Idle, Said, decode
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import AudioError, BackendError
from speech_adapters.recording.session import NO_AUDIO, Keeper
from speech_adapters.recording.spool import SpoolWriter

__all__ = ["LocalSession"]

_MAX_LINE: Final = 64 * 1024 * 1024
_LEAVE_SECONDS: Final = 5.0


class LocalSession:
    """See :class:`speech_adapters.contract.Session`.

    Args:
        job: what the worker is to do; its ``audio`` is where the spool goes.
        keeper: who keeps the recording.
    """

    def __init__(self, job: Job, keeper: Keeper) -> None:
        self._job = job
        self._keeper = keeper
        self._spool: SpoolWriter | None = None
        self._process: Process | None = None
        self._ready = anyio.Event()  # there is a worker to listen to, or never will be
        self._idle_at: int | None = None
        self._size = 0
        self._ended = False
        self._served = False
        self._closed = False

    async def push(self, audio: bytes) -> None:
        """Append ``audio`` to the spool; the first starts the worker."""
        if self._ended:
            raise BackendError("The recording has ended already: no more audio can be pushed.")
        if not audio:
            return
        if self._spool is None:
            self._spool = await run_sync(SpoolWriter, self._job.audio)
        await run_sync(self._spool.write, audio)
        self._size = self._spool.size
        if self._process is None:
            await self._start()
        await self._wake()

    async def finish(self) -> None:
        """End the recording and hand it over."""
        if self._ended:
            return
        self._ended = True
        await run_sync(self._end_audio)
        await self._tell(f"end {self._size}\n")
        self._ready.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Give what the worker says."""
        await self._ready.wait()
        if self._ended and not self._size and not self._closed:
            raise AudioError(NO_AUDIO)
        if self._process is None or self._process.stdout is None:
            return
        lines = BufferedByteReceiveStream(self._process.stdout)
        while not isinstance(said := await self._hear(lines), Done):
            if isinstance(said, Failed):
                raise BackendError(said.reason)
            if isinstance(said, Idle):
                self._idle_at = said.size
                await self._wake()
            else:
                yield said
        self._served = not self._closed

    async def aclose(self) -> None:
        """Close; a recording not finished ends here."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            await self._stop_worker()
            try:
                if not self._ended:
                    self._ended = True
                    await run_sync(self._end_audio)
            finally:
                self._ready.set()
                await run_sync(self._keeper.release, self._served)

    def _end_audio(self) -> None:
        try:
            if self._spool is not None:
                self._spool.sync()
        finally:
            self._close_spool()
        self._keeper.hand_over(self._size)

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()

    async def _start(self) -> None:
        try:
            self._process = await anyio.open_process(
                command(self._job), stderr=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise BackendError(
                f"The speech engine's process cannot be started: {error}."
            ) from error
        self._ready.set()

    async def _wake(self) -> None:
        if self._idle_at is not None and self._size > self._idle_at:
            self._idle_at = None
            await self._tell("more\n")

    async def _tell(self, words: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            # A worker that died is noticed by whoever reads the events.
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self._process.stdin.send(words.encode())

    async def _hear(self, lines: BufferedByteReceiveStream) -> Said:
        try:
            return decode((await lines.receive_until(b"\n", _MAX_LINE)).decode())
        except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        if self._closed:
            return Done()
        raise BackendError(
            "The speech engine's process died. A stored meeting is not lost: ask for it by its id."
        )

    async def _stop_worker(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            await process.stdin.aclose()
        # One that said all it had leaves by itself.
        if not (self._served and await _left(process)):
            for stop in (process.terminate, process.kill):
                with suppress(ProcessLookupError):
                    stop()
                if await _left(process):
                    break
        await process.aclose()


async def _left(process: Process) -> bool:
    with anyio.move_on_after(_LEAVE_SECONDS):
        await process.wait()
        return True
    return False
