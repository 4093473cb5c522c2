"""The thread that sends a recording through recognizers until all of it is recognized.

It reads the audio from the spool, so a program's audio is never held in memory, and sends
it no faster than results return (:mod:`speech_adapters.speech_sdk.throttle`).  A
recognizer that ends early is followed by another one, from the end of the last result on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import BackendError, SpeechError, StoreError, TimedOutError
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.speech_sdk.messages import (
    Completed,
    Failed,
    FinalResult,
    PartialResult,
    RecognizerMessage,
    SpeechBoundary,
)
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.speech_sdk.options import DriverOptions
from speech_adapters.speech_sdk.throttle import Throttle
from speech_adapters.transcript import TICKS_PER_SECOND

__all__ = ["Feeder", "RecognizerProtocol", "State"]

_BLOCKS_PER_SECOND: Final = 5
# The SDK may need ten seconds when the service is silent; no caller has to wait for that.
_RELEASE_SECONDS: Final = 2.0
_REFRESH_SECONDS: Final = 10.0
# Longest sleeps: neither the backlog nor the clock of the throttle wakes the thread.
_WAKE_SECONDS: Final = 1.0
_THROTTLED_WAKE_SECONDS: Final = 0.1
# Events that the consumer has not read; with more of them no audio is sent.
_MAX_BACKLOG: Final = 1_000


class RecognizerProtocol(Protocol):
    """A recognizer, such as :class:`.recognizer.Recognizer`; it sends messages to a callback."""

    def start(self) -> None:
        """Start to recognize."""
        ...

    def write(self, pcm: bytes) -> None:
        """Send audio."""
        ...

    def end(self) -> None:
        """End the audio."""
        ...

    def refresh(self) -> None:
        """Renew an access token that expires."""
        ...

    def stop(self) -> None:
        """Begin to release everything."""
        ...

    def wait_stopped(self, seconds: float) -> None:
        """Wait until everything is released, at most ``seconds``."""
        ...


class State(Enum):
    """The state of a :class:`Feeder`."""

    IDLE = auto()
    FEEDING = auto()
    DRAINING = auto()
    ENDED = auto()
    CLOSED = auto()


class Feeder:
    """Sends one recording through recognizers, one after the other.

    ::

        IDLE ──connected──▶ FEEDING ──all audio sent──▶ DRAINING
         ▲                     │                           │
         │                last message                last message
         │                     ▼                           ▼
         └──next attempt──── ENDED ◀───────────────────────┘

        close() leads from each state to CLOSED, which is final.

    :meth:`run` and :meth:`release` belong to one thread; the other methods may be called on
    any thread, and messages of recognizers come on threads of the SDK.  ``_changed`` guards
    all attributes below it; it is held while events are emitted, so they stay in order.

    Args:
        audio: the path of the spool file.
        pcm: the format of its audio.
        downmix: how its channels are mixed to one; ``None`` sends all of them.
        options: the options of the driver.
        connect: creates a recognizer that sends its messages to the function given.
        normalizer: makes events of the messages.
        emit: receives the events in order, on any thread; not called after :meth:`close`.
            What it raises ends the recognition, and :meth:`run` raises it.
        backlog: returns the number of events that the consumer has not read.
        rate: the speed of audio that is far from a result, in multiples of real time.
        is_wanted: called by :meth:`run` at least once a second with the bytes sent so far;
            if it returns False, the feeder is closed.
    """

    def __init__(
        self,
        audio: Path,
        pcm: PcmFormat,
        downmix: str | None,
        options: DriverOptions,
        connect: Callable[[Callable[[RecognizerMessage], None]], RecognizerProtocol],
        normalizer: EventNormalizer,
        emit: Callable[[SessionEvent], None],
        backlog: Callable[[], int] = lambda: 0,
        rate: float = 1.0,
        is_wanted: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._audio = audio
        self._pcm = pcm
        self._downmix = downmix
        self._options = options
        self._connect = connect
        self._normalizer = normalizer
        self._emit = emit
        self._backlog = backlog
        self._is_wanted = is_wanted
        self._stopping: list[RecognizerProtocol] = []  # recognizers that are being released
        self._changed = threading.Condition()
        self._state = State.IDLE
        self._size = 0  # bytes in the spool
        self._audio_ended = False  # whether the spool grows no more
        self._position = 0  # end of the audio sent to the present recognizer, bytes
        self._recognizers = 0  # number of the present recognizer, from 1
        self._recognizer: RecognizerProtocol | None = None  # the present or last one
        self._failure: Exception | None = None  # why the present recognizer ended early
        self._waiting_since: float | None = None  # since when the service owes an answer
        self._throttle = Throttle(pcm, options.ahead_seconds, rate)

    def grow(self, size: int, *, ended: bool = False, last: bytes = b"") -> None:
        """Announce that the spool holds ``size`` bytes, and whether that is all.

        Args:
            size: bytes in the spool.
            ended: whether it grows no more.
            last: the bytes at its end that are new, if the caller has them.  While all audio before
                them was sent they are sent at once, and the feeder's thread need not wake.
        """
        with self._changed:
            recognizer, number = self._recognizer, self._recognizers
            direct = recognizer is not None and bool(last) and self._has_room(size, len(last))
        # Without the lock, which the SDK's threads need for messages.  The spool has not grown yet
        # for the feeder's own thread, so it does not send the same bytes.
        failure = self._try_write(recognizer, last) if recognizer is not None and direct else None
        with self._changed:
            # If another recognizer has begun meanwhile, the feeder's thread sends them to it.
            if direct and number == self._recognizers and self._state is State.FEEDING:
                self._position += len(last)
                if failure is not None:
                    self._end(failure)
            self._size, self._audio_ended = size, self._audio_ended or ended
            if not direct or self._is_due():
                self._changed.notify_all()

    def close(self) -> None:
        """End :meth:`run` as soon as possible.  Idempotent."""
        with self._changed:
            self._state = State.CLOSED
            self._changed.notify_all()

    def run(self) -> bool:
        """Recognize to the end of the audio.  Returns False if closed first.

        Raises:
            SpeechError: recognition failed; the events before remain valid.
        """
        failures = 0
        while not self._closed:
            reached = self._normalizer.reached
            try:
                return self._attempt()
            except SpeechError as error:
                # Progress shows that the service works, so the count starts again.
                failures = 1 if self._normalizer.reached > reached else failures + 1
                if not error.retryable or failures >= self._options.attempts:
                    raise
                self._pause(self._options.retry_seconds * 2 ** (failures - 1))
        return False

    def release(self) -> None:
        """Wait until the recognizers are released, in bounded time; after :meth:`run`."""
        deadline = time.monotonic() + _RELEASE_SECONDS
        while self._stopping:
            self._stopping.pop().wait_stopped(max(deadline - time.monotonic(), 0.0))

    @property
    def _closed(self) -> bool:
        return self._state is State.CLOSED

    def _attempt(self) -> bool:
        """Send the remaining audio through one recognizer.  Returns False if closed first."""
        position = self._bytes(self._normalizer.reached)
        number = self._recognizers + 1
        recognizer = self._connect(lambda message: self._receive(number, message))
        self._begin(number, recognizer, position)
        try:
            recognizer.start()
            with SpoolReader(self._audio, position) as spool:
                self._feed(recognizer, spool)
            with self._changed:
                if not self._closed:
                    self._emit_all(self._normalizer.finish())
            return not self._closed
        finally:
            # From now on its late messages are ignored: the next one recognizes that audio.
            self._change({State.FEEDING, State.DRAINING, State.ENDED}, State.IDLE)
            recognizer.stop()
            self._stopping.append(recognizer)

    def _begin(self, number: int, recognizer: RecognizerProtocol, position: int) -> None:
        with self._changed:
            self._recognizers, self._recognizer = number, recognizer
            self._position = position
            self._failure = self._waiting_since = None
            self._throttle.reset()
            self._normalizer.begin(self._pcm.ticks(position))
            self._change({State.IDLE}, State.FEEDING)

    def _feed(self, recognizer: RecognizerProtocol, spool: SpoolReader) -> None:
        """Send audio until the recognizer has ended, or the feeder is closed."""
        refreshed = time.monotonic()
        while (room := self._await_room()) is not None:
            if time.monotonic() - refreshed > _REFRESH_SECONDS:
                refreshed = time.monotonic()
                recognizer.refresh()
            # Without the lock: the answer may have to wait for the disk.
            if not self._is_wanted(self._position):
                self.close()
            elif room:
                self._send(recognizer, spool, room)
            elif self._is_sent() and self._change({State.FEEDING}, State.DRAINING):
                # After the change of state: the last message may come at once.
                recognizer.end()

    def _send(self, recognizer: RecognizerProtocol, spool: SpoolReader, room: int) -> None:
        block = max(self._pcm.sample_rate // _BLOCKS_PER_SECOND, 1) * self._pcm.frame_bytes
        spool.seek(self._position)
        audio = spool.read(min(room, block))
        if not audio:
            raise StoreError(
                f"The audio file {self._audio} is shorter than it was: another program changed"
                " it. The rest of the recording is lost."
            )
        self._write(recognizer, audio)
        with self._changed:
            self._position += len(audio)

    def _write(self, recognizer: RecognizerProtocol, audio: bytes) -> None:
        if self._downmix is not None:
            audio = mix_down(audio, self._pcm.channels, self._downmix)
        recognizer.write(audio)

    def _try_write(self, recognizer: RecognizerProtocol, audio: bytes) -> Exception | None:
        """Send audio on a thread of the program; return the error, which :meth:`run` raises."""
        try:
            self._write(recognizer, audio)
        except Exception as error:
            return error
        return None

    def _await_room(self) -> int | None:
        """Wait for something to do; return how many bytes may be sent, or ``None`` at the end.

        Raises:
            SpeechError: the recognizer failed, or the service is silent for too long.
        """
        with self._changed:
            longest = _THROTTLED_WAKE_SECONDS if self._throttle.active else _WAKE_SECONDS
            self._changed.wait_for(self._is_due, longest)
            if self._closed:
                return None
            if self._failure is not None:
                raise self._failure
            if self._state is State.ENDED:
                return None
            self._check_silence()
            return self._room() if self._state is State.FEEDING else 0

    def _is_due(self) -> bool:
        """Whether :meth:`_feed` has something to do."""
        if self._state is State.FEEDING:
            return self._is_sent() or self._room() > 0
        return self._state is not State.DRAINING

    def _has_room(self, size: int, new: int) -> bool:
        """Whether ``new`` bytes, which make the spool ``size`` long, may be sent at once."""
        caught_up = self._position == self._size == size - new
        return caught_up and self._state is State.FEEDING and self._room(size) >= new

    def _is_sent(self) -> bool:
        return self._audio_ended and self._position >= self._size

    def _room(self, size: int | None = None) -> int:
        """Return how many bytes of the spool, or of one that is ``size`` long, may be sent now."""
        if self._backlog() > _MAX_BACKLOG:
            return 0
        room = self._throttle.room(self._position, self._bytes(self._normalizer.reached))
        return max(min(room, (self._size if size is None else size) - self._position), 0)

    def _check_silence(self) -> None:
        """Raise if the service is silent for too long after all audio was sent."""
        # With a backlog the results wait in this process, not at the service.
        if self._state is not State.DRAINING or self._backlog() > _MAX_BACKLOG:
            self._waiting_since = None
            return
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        patience = self._options.patience_seconds
        if now - self._waiting_since > patience:
            raise TimedOutError(
                f"The service was silent for {patience:g} s while it owed an answer. Nothing is"
                " lost: ask again later."
            )

    def _receive(self, number: int, message: RecognizerMessage) -> None:
        """Process a message of recognizer ``number``; called on threads of the SDK."""
        with self._changed:
            running = self._state in (State.FEEDING, State.DRAINING)
            if not running or number != self._recognizers:
                return  # of a recognizer that was stopped, and still has messages queued
            self._waiting_since = None
            match message:
                case Failed(error):
                    self._end(error)
                case Completed():
                    self._end(None if self._state is State.DRAINING else _ended_early())
                case _:
                    self._normalize(message)
            self._changed.notify_all()

    def _normalize(self, message: FinalResult | PartialResult | SpeechBoundary) -> None:
        try:
            self._emit_all(self._normalizer.process(message))
        except Exception as error:
            # On a thread of the SDK it would be lost; run() raises it on its own thread.
            self._end(error)

    def _emit_all(self, events: Iterable[SessionEvent]) -> None:
        for event in events:
            self._emit(event)

    def _end(self, failure: Exception | None) -> None:
        self._failure = failure
        self._state = State.ENDED

    def _change(self, before: set[State], after: State) -> bool:
        """Change the state, unless it is another one meanwhile; return whether it did."""
        with self._changed:
            changes = self._state in before
            if changes:
                self._state = after
            return changes

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

    def _bytes(self, ticks: int) -> int:
        """Return the position in the spool of a time, in whole frames."""
        return ticks * self._pcm.sample_rate // TICKS_PER_SECOND * self._pcm.frame_bytes


def _ended_early() -> BackendError:
    return BackendError(
        "The service ended the transcription before the audio did. Ask again later, or choose"
        " another backend."
    )
