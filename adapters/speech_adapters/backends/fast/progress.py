"""The progress of a recording in fast transcription, as the meeting store keeps it.

The store keeps it as JSON text in ``Recording.backend_state`` and never parses it.
"""

from __future__ import annotations

import time

import attrs
import msgspec

from speech_adapters.store import Recording

__all__ = ["FastProgress", "dump_progress", "load_progress"]


@attrs.frozen
class FastProgress:
    """Since when a recording waits for its transcript.

    Attributes:
        begun_at: Unix time in seconds of the first attempt, from which the deadline counts.
    """

    begun_at: float

    def is_overdue(self, deadline_hours: float) -> bool:
        """Return whether the deadline is over; 0 is none."""
        # The clock may have been ahead at that time, so the age may be negative.
        return 0 < deadline_hours * 3600 < time.time() - self.begun_at


def load_progress(recording: Recording) -> FastProgress | None:
    """Return the progress of a recording; ``None`` before the first attempt, or if damaged."""
    try:
        return msgspec.json.decode(recording.backend_state, type=FastProgress)
    except msgspec.MsgspecError:
        return None


def dump_progress(progress: FastProgress) -> str:
    """Return the JSON text that :func:`load_progress` reads."""
    return msgspec.json.encode(progress).decode()
