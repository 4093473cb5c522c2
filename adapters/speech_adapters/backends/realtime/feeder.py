"""The thread that takes a recording through recognisers until all of it was recognised.

It reads the audio from the spool, so a program's audio is never held in memory, and gives
it to the SDK no faster than results come back: where nothing was heard of the last seconds
that the SDK was given, more goes at the speed of speech only.  It is not held back for
good, since the service may have acknowledged silence in ways that the SDK does not tell;
where it has not, the SDK gives up by itself.  A recogniser that ends early is followed by
another one, from the end of the last result on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.backends.realtime.messages import Broken, Said, Stopped
from speech_adapters.backends.realtime.normalizer import Narrator
from speech_adapters.backends.realtime.options import RealtimeOptions
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import BackendError, SpeechError, StoreError, TimedOutError
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.transcript import TICKS_PER_SECOND

__all__ = ["Driver", "Ear"]

_BLOCKS_PER_SECOND: Final = 5
# The SDK may take ten seconds where the service is silent; nobody need wait for that.
_STOP_SECONDS: Final = 2.0
_REFRESH_SECONDS: Final = 10.0
_GLANCE_SECONDS: Final = 1.0
_PACED_SECONDS: Final = 0.1
# Events that nobody has taken yet; more, and no more audio is sent.
_BACKLOG: Final = 1_000


class Ear(Protocol):
    """What recognises; see :class:`speech_adapters.backends.realtime.recognizer.Recogniser`."""

    def start(self) -> None:
        """Begin."""
        ...

    def write(self, pcm: bytes) -> None:
        """Give mono audio."""
        ...

    def end(self) -> None:
        """Say that no more will come."""
        ...

    def refresh(self) -> None:
        """Renew what expires."""
        ...

    def stop(self) -> None:
        """Begin to release everything."""
        ...

    def wait_stopped(self, seconds: float) -> None:
        """Wait until everything is released, or so many seconds have passed."""
        ...


class Driver:
    """Takes one recording through recognisers.

    Args:
        audio: the spool file.
        pcm: its format.
        downmix: how its channels become one.
        options: of the backend.
        connect: makes a recogniser that says what it hears to the function given.
        narrator: makes events of what is said.
        tell: takes the events, in order, on any thread; not called any more after
            :meth:`close`.
        backlog: how many events nobody has taken yet.
    """

    def __init__(
        self,
        audio: Path,
        pcm: PcmFormat,
        downmix: str,
        options: RealtimeOptions,
        connect: Callable[[Callable[[Said], None]], Ear],
        narrator: Narrator,
        tell: Callable[[SessionEvent], None],
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        self._audio = audio
        self._pcm = pcm
        self._downmix = downmix
        self._options = options
        self._connect = connect
        self._narrator = narrator
        self._tell = tell
        self._backlog = backlog
        self._changed = threading.Condition()
        self._size = 0
        self._ended = False
        self._closed = False
        self._stopping: list[Ear] = []
        self._ending: Said | None = None
        self._generation = 0
        self._owed_since: float | None = None
        # Since when, and from which byte on, audio goes at the speed of speech only.
        self._paced: tuple[float, int] | None = None

    def grow(self, size: int, *, ended: bool = False) -> None:
        """Say that the spool holds ``size`` bytes, and whether that is all."""
        with self._changed:
            self._size, self._ended = size, self._ended or ended
            self._changed.notify_all()

    def close(self) -> None:
        """End :meth:`run` as soon as can be.  Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def release(self) -> None:
        """Wait until what was begun is released, in bounded time; after :meth:`run`."""
        deadline = time.monotonic() + _STOP_SECONDS
        while self._stopping:
            self._stopping.pop().wait_stopped(max(deadline - time.monotonic(), 0.0))

    def run(self) -> bool:
        """Recognise; returns whether all was, or it was closed before.

        Raises:
            SpeechError: it cannot be gone on with; all that was told before stays true.
        """
        attempt = 0
        while not self._closed:
            reached = self._narrator.reached
            try:
                return self._attempt()
            except SpeechError as error:
                attempt = 1 if self._narrator.reached > reached else attempt + 1
                if not error.retryable or attempt >= self._options.attempts:
                    raise
                self._rest(self._options.retry_seconds * 2 ** (attempt - 1))
        return False

    def _attempt(self) -> bool:
        """Take what is left through one recogniser."""
        frame = self._narrator.reached * self._pcm.sample_rate // TICKS_PER_SECOND
        fed = frame * self._pcm.frame_bytes
        with self._changed:
            self._ending = None
            self._generation += 1
            self._owed_since = self._paced = None
            self._narrator.begin(self._pcm.ticks(fed))
        ear = self._connect(self._listener(self._generation))
        try:
            ear.start()
            with SpoolReader(self._audio, fed) as spool:
                finished = self._feed(ear, spool, fed)
            if finished:
                self._say(self._narrator.end())
            return finished
        finally:
            with self._changed:
                self._generation += 1  # what it still says is not listened to
            ear.stop()
            self._stopping.append(ear)

    def _feed(self, ear: Ear, spool: SpoolReader, fed: int) -> bool:
        told_end = False
        refreshed = time.monotonic()
        while True:
            room = self._await_room(fed, told_end)
            if room is None:
                return not self._closed
            if time.monotonic() - refreshed > _REFRESH_SECONDS:
                refreshed = time.monotonic()
                ear.refresh()
            if room:
                block = spool.read(min(room, self._block))
                if not block:
                    raise StoreError(f"The audio file {self._audio} is shorter than it was.")
                ear.write(mix_down(block, self._pcm.channels, self._downmix))
                fed += len(block)
            elif self._ended and fed >= self._size and not told_end:
                told_end = True
                ear.end()

    @property
    def _block(self) -> int:
        return self._pcm.sample_rate // _BLOCKS_PER_SECOND * self._pcm.frame_bytes

    def _await_room(self, fed: int, told_end: bool) -> int | None:
        """Give how many bytes may be given now, or ``None`` at the end.

        Raises:
            SpeechError: the recogniser has ended early, or is silent for too long.
        """
        with self._changed:
            glance = _GLANCE_SECONDS if self._paced is None else _PACED_SECONDS
            self._changed.wait_for(lambda: self._due(fed, told_end), glance)
            if isinstance(self._ending, Broken):
                raise self._ending.error
            if self._closed or self._ending is not None:
                if not told_end and not self._closed:
                    raise BackendError("The service ended the transcription before the audio did.")
                return None
            self._check_patience(told_end)
            return max(min(self._room(fed), self._size - fed), 0)

    def _check_patience(self, owed: bool) -> None:
        """Notice since when the service owes an answer."""
        now = time.monotonic()
        if not owed or self._backlog() > _BACKLOG:
            self._owed_since = None
            return
        self._owed_since = self._owed_since or now
        patience = self._options.patience_seconds
        if now - self._owed_since > patience:
            raise TimedOutError(
                f"The service was silent for {patience:g} s while it owed an answer. Nothing is"
                " lost: ask again later."
            )

    def _due(self, fed: int, told_end: bool) -> bool:
        if self._closed or self._ending is not None:
            return True
        if told_end:
            return False
        return (self._ended and fed >= self._size) or min(self._room(fed), self._size - fed) > 0

    def _room(self, fed: int) -> int:
        """Give how many bytes more may be given now; none while events pile up."""
        if self._backlog() > _BACKLOG:
            return 0
        ahead = round(self._options.ahead_seconds * self._pcm.sample_rate) * self._pcm.frame_bytes
        frame = self._narrator.reached * self._pcm.sample_rate // TICKS_PER_SECOND
        room = frame * self._pcm.frame_bytes + ahead - fed
        if room > 0:
            self._paced = None
            return room
        since, start = self._paced = self._paced or (time.monotonic(), fed)
        spoken = int((time.monotonic() - since) * self._pcm.sample_rate) * self._pcm.frame_bytes
        return start + spoken - fed

    def _listener(self, generation: int) -> Callable[[Said], None]:
        def hear(said: Said) -> None:
            with self._changed:
                if self._closed or generation != self._generation or self._ending is not None:
                    return
                self._owed_since = None
                if isinstance(said, Stopped | Broken):
                    self._ending = said
                else:
                    try:
                        self._say(self._narrator.hear(said))
                    except SpeechError as error:  # on the SDK's threads nobody would see it
                        self._ending = Broken(error)
                self._changed.notify_all()

        return hear

    def _say(self, events: Iterable[SessionEvent]) -> None:
        for event in events:
            self._tell(event)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)
