"""A meeting that is recognised while it is recorded."""

from __future__ import annotations

import queue
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from speech_adapters.backends.realtime.feeder import Driver
from speech_adapters.backends.realtime.journal import Journal
from speech_adapters.contract import Recognized, SessionEvent
from speech_adapters.errors import AudioError, BackendError, SpeechError
from speech_adapters.recording.session import NO_AUDIO, Keeper, SpoolSession

__all__ = ["RealtimeSession"]

_GLANCE_SECONDS: Final = 0.5
_LEAVE_SECONDS: Final = 5.0
_Heard = SessionEvent | SpeechError | None  # None: all was recognised, or it was closed


class RealtimeSession(SpoolSession):
    """See :class:`speech_adapters.contract.Session`.

    Args:
        audio: where the spool goes.
        keeper: who keeps the recording.
        journal: where what was said is noted, or ``None``.
        drive: makes the driver, of what it tells to and of how much of that is untaken.
        complete: called in a worker thread once all was recognised; gives whether that is
            all there is to do.
    """

    def __init__(
        self,
        audio: Path,
        keeper: Keeper,
        journal: Journal | None,
        drive: Callable[[Callable[[SessionEvent], None], Callable[[], int]], Driver],
        complete: Callable[[], bool],
    ) -> None:
        super().__init__(audio, keeper)
        self._journal = journal
        self._complete = complete
        self._heard: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        self._driver = drive(self._tell, self._heard.qsize)
        self._thread = threading.Thread(target=self._run, name="speech-compat-feed", daemon=True)
        self._served = False

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Give what is recognised."""
        while True:
            heard = await run_sync(self._next)
            if isinstance(heard, SpeechError):
                raise heard
            if heard is None:
                break
            yield heard
        if not self._closed:
            self._served = await run_sync(self._complete)

    def _append(self, audio: bytes) -> None:
        """Append ``audio`` to the spool; the first makes the connection."""
        first = self._spool is None
        super()._append(audio)
        assert self._spool is not None
        self._driver.grow(self._spool.size)
        if first:
            self._thread.start()

    def _end(self) -> None:
        try:
            super()._end()
        finally:
            size = self._spool.size if self._spool is not None else 0
            self._driver.grow(size, ended=True)
            if self._spool is None:
                self._heard.put(None if self._closed else AudioError(NO_AUDIO))

    def _leave(self) -> None:
        self._driver.close()
        if self._thread.is_alive():
            self._thread.join(_LEAVE_SECONDS)
        self._driver.release()
        if self._journal is not None:
            self._journal.close()
        self._heard.put(None)
        self._keeper.release(self._served)

    def _run(self) -> None:
        ending: _Heard = None
        try:
            self._driver.run()
        except SpeechError as error:
            ending = error
        except Exception as error:
            ending = BackendError(f"Unexpected {type(error).__name__}: {error}.")
        self._heard.put(ending)

    def _tell(self, event: SessionEvent) -> None:
        """Take an event, on any thread; what is final is on disk before it is told."""
        if self._journal is not None and isinstance(event, Recognized):
            self._journal.add(event.utterance)
        self._heard.put(event)

    def _next(self) -> _Heard:
        """Give the next event; looks up now and then, so that nobody waits for ever."""
        while True:
            try:
                return self._heard.get(timeout=_GLANCE_SECONDS)
            except queue.Empty:
                if self._closed:
                    return None
