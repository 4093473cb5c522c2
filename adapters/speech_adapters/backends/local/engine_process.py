"""A program's end of the connection to the process in which its live meetings are transcribed.

All sessions with the same options share one process, whatever event loop and meeting service
they belong to.  It is started with the first session, and ends some time after the last one, or
with the program.  Two threads per process do what may block::

    session ──▶ queue of commands ──▶ writing thread ──▶ process
    session ◀── queue of messages ◀── reading thread ◀── process
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import threading
from contextlib import suppress
from itertools import count
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.backends.local.job import TranscriptionJob, command
from speech_adapters.backends.local.protocol import (
    WINDOW,
    Failed,
    Finished,
    Stopped,
    WorkerMessage,
    decode,
)
from speech_adapters.errors import BackendError
from speech_adapters.event_queue import EventQueue, LoopEvent

__all__ = ["Connection", "connect"]

# How long a process without sessions is kept for the next one: its models are loaded.
_IDLE_SECONDS: Final = 60.0
# How long a meeting that was stopped, and a process without meetings, may take to end.
_EXIT_SECONDS: Final = 5.0
_READ_BYTES: Final = 65_536
# The session acknowledges several messages at once.
_ACKNOWLEDGED: Final = WINDOW // 4


class Connection:
    """The connection of one session to the engine process; for the event loop of its creation."""

    def __init__(self) -> None:
        # The process, and the number of the session in it; None before and after.
        self._process: EngineProcess | None = None
        self._number = 0
        self._messages: EventQueue[WorkerMessage | BackendError] = EventQueue()
        # Messages that were read, but not acknowledged yet.
        self._read = 0
        # The last message has come, or the process has died.
        self._ended = LoopEvent()

    def attached(self, process: EngineProcess, number: int) -> None:
        """Note the process, and the number of the session in it."""
        self._process, self._number = process, number

    def put(self, message: WorkerMessage | BackendError) -> None:
        """Append a message; from any thread."""
        self._messages.put(message)
        if isinstance(message, Finished | Failed | Stopped | BackendError):
            self._ended.set()

    def send(self, name: str, *argument: object) -> None:
        """Send a command; never blocks.  The reader of the messages notices a dead process."""
        if self._process is not None:
            self._process.send(" ".join(map(str, (name, self._number, *argument))))

    async def receive(self) -> WorkerMessage:
        """Return the next message; ``Stopped`` after the connection was closed.

        Raises:
            BackendError: the process died, or sent what cannot be read.
        """
        message = await self._messages.get()
        if isinstance(message, BackendError):
            raise message
        self._read += 1
        if self._read == _ACKNOWLEDGED:
            self.send("read", self._read)
            self._read = 0
        return message

    async def close(self) -> None:
        """Stop the meeting if it has not ended, and wait until it has.  Idempotent.

        If it does not end in time, its process is killed, as soon as no other session uses it.
        """
        self.send("stop")
        process, self._process = self._process, None
        if process is None:
            return
        with anyio.move_on_after(_EXIT_SECONDS) as waiting:
            await self._ended.wait()
        if process.leave(self._number, stuck=waiting.cancelled_caught):
            await threads.COMPUTE.run(process.kill)
        self._messages.put(Stopped())


class EngineProcess:
    """A process that transcribes live meetings.  Any thread may use it.

    ::

        usable ──idle for a while, stuck, or dead──▶ not usable: no session joins any more

    Raises:
        BackendError: it cannot be started.
    """

    def __init__(self, command: list[str]) -> None:
        try:
            # In a session of its own, so that Ctrl+C in the terminal does not reach it: the
            # program decides what happens to its meetings.
            self._child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise BackendError(
                f"The speech engine's process cannot be started: {error}."
            ) from error
        # Commands to be written; None for the end.
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Guards what follows.
        self._guard = threading.Lock()
        self._sessions: dict[int, Connection] = {}
        self._numbers = count(1)
        self._usable = True
        # Whether a meeting hangs for which no session waits any more.
        self._stuck = False
        for target in (self._write_commands, self._read_messages):
            threading.Thread(target=target, name="speech-compat-engine", daemon=True).start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._child.pid

    def join(self, connection: Connection, job: TranscriptionJob) -> bool:
        """Start a meeting; return False if the process accepts no more."""
        with self._guard:
            if not self._usable:
                return False
            number = next(self._numbers)
            self._sessions[number] = connection
        connection.attached(self, number)
        self.send(f"start {number} {job.dump()}")
        return True

    def leave(self, number: int, *, stuck: bool) -> bool:
        """Remove a session; return whether the process has to be killed now.

        Args:
            number: the number of the session.
            stuck: whether its meeting does not end.
        """
        with self._guard:
            self._sessions.pop(number, None)
            if stuck:
                self._usable = False
                self._stuck = True
            return self._stuck and not self._sessions

    def send(self, line: str) -> None:
        """Write a command to the process, soon; never blocks."""
        self._commands.put(line)

    def kill(self) -> None:
        """Kill the process and wait for its end.  Blocks."""
        self._child.kill()
        self._child.wait()

    def disown(self) -> None:
        """Leave the process to itself: it completes the stored meetings, and ends."""
        # Without this, Popen complains about a process that goes on on purpose.
        self._child.returncode = self._child.returncode or 0
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def disconnect(self) -> None:
        """Close this process's copies of the pipes, which a fork has made."""
        null = os.open(os.devnull, os.O_RDWR)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None and not pipe.closed:
                # Not closed: what the parent has not written yet must not be written twice.
                os.dup2(null, pipe.fileno())
        os.close(null)
        self._child.returncode = 0

    def _write_commands(self) -> None:
        assert self._child.stdin is not None
        with suppress(OSError), self._child.stdin as pipe:
            while (line := self._next_command()) is not None:
                pipe.write(f"{line}\n".encode())
                pipe.flush()
        # To a process without meetings the end of its input means to end.
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_EXIT_SECONDS)
            return
        self.kill()

    def _next_command(self) -> str | None:
        while True:
            with suppress(queue.Empty):
                return self._commands.get(timeout=_IDLE_SECONDS)
            with self._guard:
                if not self._sessions:
                    self._usable = False
                    return None

    def _read_messages(self) -> None:
        assert self._child.stdout is not None
        rest = b""
        with self._child.stdout as pipe:
            # Not through the buffer, whose lock would be held during the end of the program.
            while chunk := os.read(pipe.fileno(), _READ_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._deliver(line)
        self._child.wait()
        self._fail(
            BackendError(
                "The speech engine's process died. A stored meeting is not lost: ask for it by"
                " its id. Otherwise start the meeting again."
            )
        )
        self._commands.put(None)

    def _deliver(self, line: bytes) -> None:
        try:
            number, message = decode(line)
        except BackendError as error:
            # No later line can be trusted, nor is it known whose this one was.
            self._fail(error)
            self._child.kill()
            return
        with self._guard:
            session = self._sessions.get(number)
        if session is not None:
            session.put(message)

    def _fail(self, error: BackendError) -> None:
        with self._guard:
            self._usable = False
            sessions = list(self._sessions.values())
        for session in sessions:
            session.put(error)


# The processes of this program, by command line.
_processes: dict[tuple[str, ...], EngineProcess] = {}
# Held while a process is started, so that sessions that start together share one.
_starting = threading.Lock()


async def connect(job: TranscriptionJob) -> Connection:
    """Start the transcription of a recording in the engine process, which is started if needed.

    Raises:
        BackendError: the process cannot be started.
    """
    connection = Connection()
    await threads.COMPUTE.run(_join, connection, job)
    return connection


def _join(connection: Connection, job: TranscriptionJob) -> None:
    line = command("live", json.dumps(job.options.model_dump(mode="json")))
    with _starting:
        known = _processes.get(tuple(line))
        if known is not None and known.join(connection, job):
            return
        started = EngineProcess(line)
        _processes[tuple(line)] = started
        if not started.join(connection, job):
            raise BackendError("The speech engine's process died as soon as it was started.")


@atexit.register
def _disown() -> None:
    """Leave the processes to themselves at the end of the program."""
    for process in _processes.values():
        process.disown()


# The processes of the parent, in a forked program; kept, since their finalizers would complain.
_of_parent: list[EngineProcess] = []


def _start_anew() -> None:
    """Forget the processes of the parent: with copies of their pipes they would outlive it."""
    global _starting
    _starting = threading.Lock()
    _of_parent.extend(_processes.values())
    _processes.clear()
    for process in _of_parent:
        process.disconnect()


if hasattr(os, "register_at_fork"):  # missing on Windows, which has no fork
    os.register_at_fork(after_in_child=_start_anew)
