"""Reports of a worker while it transcribes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from speech_adapters.backends.local.protocol import WorkerMessage
from speech_adapters.contract import Progress
from speech_adapters.transcript import ticks

__all__ = ["Checkpoint", "Pulse", "Send", "ignore"]

# Each report costs a write to disk, so it depends on the time and not on the audio.
_CHECKPOINT_SECONDS: Final = 2.0

Send = Callable[[WorkerMessage], None]
# Receives the seconds of audio transcribed.  Raises to end the work, for example because
# the meeting was deleted.
Checkpoint = Callable[[float], None]


def ignore(_: object) -> None:
    """Send nothing, or check nothing."""


class Pulse:
    """Sends progress every second of audio, and calls the checkpoint every few of work."""

    def __init__(self, send: Send, checkpoint: Checkpoint) -> None:
        self._send = send
        self._checkpoint = checkpoint
        self._sent_at = 0.0  # seconds of audio
        self._checked_at = time.monotonic()

    def beat(self, seconds: float) -> None:
        """Do what is due after ``seconds`` of audio."""
        if seconds - self._sent_at >= 1.0:
            self._sent_at = seconds
            self._send(Progress(ticks(seconds)))
        if time.monotonic() - self._checked_at >= _CHECKPOINT_SECONDS:
            self._checked_at = time.monotonic()
            self._checkpoint(seconds)
