"""How much audio of a session is not recognized yet, and since when nothing has come."""

from __future__ import annotations

import math
import threading
import time
from typing import Final

from speech_adapters.contract import Progress, Recognized, SessionEvent
from speech_adapters.transcript import TICKS_PER_SECOND

__all__ = ["IDLE_SECONDS", "Backlog"]

# A backend that sends no event for so long has stalled.
IDLE_SECONDS: Final = 30.0
_CHECK_SECONDS: Final = 0.5


class Backlog:
    """The audio that was pushed, and up to where results have come.

    The audio thread adds, the event thread notes events, and the threads that end the session
    read.  Each amount has one writer, and the clock is only ever set to the present, so no lock
    is needed.

    Attributes:
        active_at: ``time.monotonic()`` of the last event or stop.
    """

    def __init__(self) -> None:
        self.active_at = 0.0
        # Both in seconds of audio from the start of the session.
        self._pushed = 0.0
        self._recognized = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of audio that are not recognized yet."""
        return max(self._pushed - self._recognized, 0.0)

    def add(self, seconds: float) -> None:
        """Add audio that was pushed."""
        self._pushed += seconds

    def restart_clock(self) -> None:
        """Count the time without an event from now on."""
        self.active_at = time.monotonic()

    def wait_while_active(self, done: threading.Event, deadline: float = math.inf) -> bool:
        """Wait for ``done`` while events arrive, until ``deadline``; return whether it is set."""
        while not done.wait(_CHECK_SECONDS):
            now = time.monotonic()
            if now > deadline or now - self.active_at > IDLE_SECONDS:
                return False
        return True

    def note(self, event: SessionEvent) -> None:
        """Note an event, and up to where it shows that audio is recognized."""
        self.restart_clock()
        match event:
            case Progress(offset):
                reached = offset
            case Recognized(utterance):
                reached = utterance.end
            case _:
                return
        # A correction concerns earlier audio.
        self._recognized = max(self._recognized, reached / TICKS_PER_SECOND)
