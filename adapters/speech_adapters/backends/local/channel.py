"""The engine process's end of the connection to one session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from speech_adapters.backends.local.protocol import (
    WINDOW,
    NeedAudio,
    WorkerMessage,
    encode,
)

__all__ = ["AbandonedError", "MessageWriter", "SessionChannel"]


class AbandonedError(Exception):
    """Nothing needs the result any more: the session has gone, or the meeting was deleted."""


class MessageWriter:
    """Writes the messages of all meetings of this process, each as one whole line."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._writing = threading.Lock()

    def write(self, line: str) -> None:
        """Write a line.

        Raises:
            OSError: the program has gone.
        """
        with self._writing:
            self._output.write(line)
            # A pipe is buffered, and events must not be late.
            self._output.flush()


class SessionChannel:
    """Exchanges messages with the session of one meeting.

    The thread of the meeting sends messages and waits for audio; the thread that reads the
    program's commands calls the other methods.

    Args:
        number: the number of the session.
        audio: path of the recording's file.
        write: writes a line to the program.
        required: whether the work is pointless without the session, because no store
            receives the transcript.

    Attributes:
        cut_short: whether the session has gone without announcing the end of the audio.
    """

    def __init__(
        self, number: int, audio: Path, write: Callable[[str], None], *, required: bool
    ) -> None:
        self._number: Final = number
        self._audio: Final = audio
        self._write: Final = write
        self._required: Final = required
        # Guards what follows, and wakes the meeting's thread when it changes.
        self._changed = threading.Condition()
        # The file has grown since the last NeedAudio.
        self._grown = False
        # The size of the whole recording, once the session has announced it.
        self._end: int | None = None
        # How many messages may still be sent before the session has read some.
        self._window = WINDOW
        # The session was closed, and waits for the last message.
        self._stopped = False
        # The program has gone: no more commands come.
        self._orphaned = False
        # The program no longer reads; a further write would only fail again.
        self._disconnected = False
        self.cut_short = False

    def send(self, message: WorkerMessage) -> None:
        """Send a message; wait while the session has too many to read.

        Raises:
            AbandonedError: the session was closed, or has gone and is required.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._window > 0 or self._stopped or self._orphaned)
            self._window -= 1
        self.check()
        self._send(message)
        if self._disconnected and self._required:
            raise AbandonedError

    def send_last(self, message: WorkerMessage) -> None:
        """Send the last message of the meeting; never waits for the session."""
        self._send(message)

    def check(self, _seconds: float = 0.0) -> None:
        """Raise AbandonedError if the session was closed."""
        if self._stopped:
            raise AbandonedError

    def wait_for_audio(self, size: int) -> int | None:
        """Wait until the file is longer than ``size`` bytes, or complete.

        Returns:
            The size of the whole recording once it is known, ``None`` when the file has grown.

        Raises:
            AbandonedError: the session was closed, or has gone and is required.
        """
        self.send(NeedAudio(size))
        with self._changed:
            self._changed.wait_for(
                lambda: self._grown or self._end is not None or self._stopped or self._orphaned
            )
            self.check()
            if self._end is not None:
                return self._end
            if self._grown:
                self._grown = False
                return None
        if self._required:
            raise AbandonedError
        self.cut_short = True
        # Audio that was written after the last command was never announced, but is on disk.
        return self._audio.stat().st_size

    def grow(self) -> None:
        """Note that the file has grown."""
        with self._changed:
            self._grown = True
            self._changed.notify()

    def end(self, size: int) -> None:
        """Note that the audio has ended after ``size`` bytes."""
        with self._changed:
            self._end = size
            self._changed.notify()

    def acknowledge(self, count: int) -> None:
        """Note that the session has read ``count`` further messages."""
        with self._changed:
            self._window += count
            self._changed.notify()

    def stop(self) -> None:
        """Note that the session was closed: the meeting ends at its next message or check."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def orphan(self) -> None:
        """Note that no more commands come, because the program has gone."""
        with self._changed:
            self._orphaned = True
            self._changed.notify()

    def _send(self, message: WorkerMessage) -> None:
        if self._disconnected:
            return
        try:
            self._write(encode(self._number, message))
        except OSError:
            self._disconnected = True
