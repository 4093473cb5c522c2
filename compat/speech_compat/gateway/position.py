"""Where a client and a session are in the audio of a meeting, without any I/O.

Positions are ticks of the client's session, which may have begun before the meeting::

    0 ─── other meetings ─── start ─── acknowledged ─── recognized ─── received
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.contract import Hypothesis, Progress, Recognized, SessionEvent
from speech_adapters.transcript import TICKS_PER_SECOND
from speech_compat.gateway.framing import FramingError

__all__ = ["AudioPosition"]

# Clients cancel after 66 s of audio without a result or an acknowledgement
# (docs/protocol/speech-websocket.md, 3).
_DUE_TICKS: Final = 5 * TICKS_PER_SECOND
# From then on audio is acknowledged although it is not recognized.
_OVERDUE_TICKS: Final = 30 * TICKS_PER_SECOND
_TICKS_PER_MILLISECOND: Final = TICKS_PER_SECOND // 1_000
# More than an end of which a millisecond was completed: the client skipped audio.
_WIDEST_GAP_TICKS: Final = TICKS_PER_SECOND
# Arrival times of the last audio messages, of 0.1 s each.
_ARRIVALS: Final = 300


class AudioPosition:
    """Accounts for the audio of a meeting.

    Args:
        pcm: the format of the audio.
        start: where the recording starts.
        held: up to where the session has audio already.
        clock: returns seconds.
    """

    def __init__(
        self,
        pcm: PcmFormat,
        start: int = 0,
        held: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pcm = pcm
        self._start = start
        # Bytes that the session has.
        self._size = self._bytes_at(held)
        # Bytes still to drop, because the session has them; negative for a gap.
        self._repeated = 0
        # The incomplete sample frame at the end of the last message.
        self._rest = b""
        # The start of an utterance that has not ended, and up to where audio was recognized;
        # None if unknown.
        self._open: int | None = None
        self._recognized: int | None = None
        # Positions that were received, and when.
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_ARRIVALS)
        self._clock = clock

    @property
    def received(self) -> int:
        """Up to where the session has audio."""
        return self._start + self._pcm.ticks(self._size)

    @property
    def duration(self) -> int:
        """The length of the session's audio in ticks."""
        return self._pcm.ticks(self._size)

    def restart(self, position: int) -> None:
        """Note that the next audio of the client begins at a position.

        Raises:
            FramingError: the audio before it was never received.
        """
        if position - self.received > _WIDEST_GAP_TICKS:
            raise FramingError("The audio has a gap after what was received before.")
        self._repeated = self._size - self._bytes_at(position)
        self._rest = b""

    def new_part(self, audio: bytes) -> bytes:
        """Return the whole sample frames of a message that the session does not have yet."""
        if self._rest:
            audio = self._rest + audio
        rest = len(audio) % self._pcm.frame_bytes
        self._rest = audio[-rest:] if rest else b""
        if rest:
            audio = audio[:-rest]
        if self._repeated > 0:
            dropped = min(self._repeated, len(audio))
            self._repeated -= dropped
            return audio[dropped:]
        if self._repeated < 0 and audio:
            # Silence keeps the positions of both sides equal.
            audio = bytes(-self._repeated) + audio
            self._repeated = 0
        return audio

    def add(self, size: int) -> None:
        """Note that the session has accepted ``size`` more bytes."""
        self._size += size
        self._arrivals.append((self.received, self._clock()))

    def note(self, event: SessionEvent) -> None:
        """Note what an event shows about the audio that was recognized."""
        match event:
            case Hypothesis(utterance):
                self._open = self._start + utterance.offset
            case Recognized(_, correction):
                if not correction:
                    self._open = None
            case Progress(offset):
                self._recognized = self._start + offset
            case _:
                pass

    def due(self, acknowledged: int) -> int | None:
        """Return up to where the client must be told that its audio is safe.

        Args:
            acknowledged: up to where it knows that.

        Returns:
            A position after ``acknowledged`` in whole milliseconds; ``None`` if the client can
            wait.
        """
        received = self.received
        if received - acknowledged < _DUE_TICKS:
            return None
        target = received
        # A result that starts before the acknowledged position loses its start after a
        # reconnect.  A client that gives up loses more.
        if received - acknowledged < _OVERDUE_TICKS:
            known = (received, self._recognized, self._open)
            target = min(position for position in known if position is not None)
        target -= target % _TICKS_PER_MILLISECOND
        return target if target > acknowledged else None

    def age(self, end: int) -> float | None:
        """Return the seconds since the audio up to ``end`` arrived; ``None`` if unknown."""
        arrived = next((at for position, at in self._arrivals if position >= end), None)
        return None if arrived is None else self._clock() - arrived

    def _bytes_at(self, position: int) -> int:
        frames = (position - self._start) * self._pcm.sample_rate // TICKS_PER_SECOND
        return frames * self._pcm.frame_bytes
