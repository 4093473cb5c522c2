"""The worker's end of the connection to a session: its standard input and output."""

from __future__ import annotations

import sys
from pathlib import Path

from speech_adapters.backends.local.protocol import NeedAudio, WorkerMessage, encode

__all__ = ["AbandonedError", "SessionChannel"]


class AbandonedError(Exception):
    """Nothing needs the result any more: the session has gone, or the meeting was deleted."""


class SessionChannel:
    """Exchanges messages with the session that started this process.

    Args:
        audio: path of the recording's file.
        required: whether the work is pointless without the session, because no store
            receives the transcript.

    Attributes:
        cut_short: whether the session has gone without announcing the end of the audio.
    """

    def __init__(self, audio: Path, *, required: bool) -> None:
        self._audio = audio
        self._required = required
        # The session no longer reads; a further write would only fail again.
        self._disconnected = False
        self.cut_short = False

    def send(self, message: WorkerMessage) -> None:
        """Send a message.

        Raises:
            AbandonedError: the session has gone, and it is required.
        """
        if self._disconnected:
            return
        try:
            sys.stdout.write(encode(message))
            # Standard output is a pipe, so it is buffered, and events must not be late.
            sys.stdout.flush()
        except OSError:
            self._disconnected = True
            if self._required:
                raise AbandonedError from None

    def wait_for_audio(self, size: int) -> int | None:
        """Wait until the file is longer than ``size`` bytes, or complete.

        Returns:
            The size of the whole recording once it is known, ``None`` when the file has grown.

        Raises:
            AbandonedError: the session has gone, and it is required.
        """
        self.send(NeedAudio(size))
        command, _, argument = sys.stdin.readline().partition(" ")
        if command == "end":
            return int(argument)
        if command:
            return None
        if self._required:
            raise AbandonedError
        self.cut_short = True
        # Audio that was written after the last command was never announced, but is on disk.
        return self._audio.stat().st_size
