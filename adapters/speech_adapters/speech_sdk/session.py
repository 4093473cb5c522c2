"""A meeting that is recognized while it is recorded."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum, auto
from pathlib import Path
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.contract import Recognized, SessionEvent
from speech_adapters.errors import AudioError, BackendError, SpeechError
from speech_adapters.event_queue import EventQueue, LoopEvent
from speech_adapters.recording.session import RecordingOwner, SpoolSession
from speech_adapters.speech_sdk.feeder import Feeder
from speech_adapters.speech_sdk.journal import Journal
from speech_adapters.store.recovery import NO_AUDIO

__all__ = ["LiveSession", "MakeFeeder"]

# The SDK may hang in its start; its daemon thread then ends with the process.
_CLOSE_SECONDS: Final = 5.0

# Creates the feeder, from the receiver of its events and the number of unread ones.
MakeFeeder = Callable[[Callable[[SessionEvent], None], Callable[[], int]], Feeder]


class _Recognition(Enum):
    """The state of the recognition, beside that of the recording."""

    WAITING = auto()
    RUNNING = auto()
    COMPLETED = auto()


class LiveSession(SpoolSession):
    """Records and recognizes at once; see :class:`speech_adapters.contract.Session`.

    ::

        WAITING ──first audio──▶ RUNNING ──last event read, transcript stored──▶ COMPLETED

    Audio goes to the spool first, so it is safe on disk whatever the service does.  While the
    service keeps up, the thread that wrote it also sends it on.  Otherwise a thread of the
    session's own, the feeder, does so from the spool.  Events come back through a queue, and no
    other thread waits for them.

    Args:
        audio: the path of the spool file.
        owner: the owner of the recording.
        journal: receives the final utterances, or ``None`` if nothing is stored.
        make_feeder: creates the feeder.
        complete: called once everything is recognized; returns whether nothing is left to
            process.
    """

    def __init__(
        self,
        audio: Path,
        owner: RecordingOwner,
        journal: Journal | None,
        make_feeder: MakeFeeder,
        complete: Callable[[], Awaitable[bool]],
    ) -> None:
        super().__init__(audio, owner)
        self._journal = journal
        self._complete = complete
        self._completing = anyio.Lock()  # closing waits for a transcript that is being stored
        # Events, at last the error or None: all was recognized, or the session was closed.
        self._queue: EventQueue[SessionEvent | SpeechError | None] = EventQueue()
        self._feeder = make_feeder(self._emit, self._queue.__len__)
        self._feeder_ended = LoopEvent()  # its thread has released everything
        self._recognition = _Recognition.WAITING

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield the events; after the last one the transcript is stored."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, SpeechError):
                raise item
            yield item
        async with self._completing:
            if not self._closed and await self._complete():
                self._recognition = _Recognition.COMPLETED

    def push_blocking(self, audio: bytes) -> None:
        """Append ``audio`` to the spool; see :class:`speech_adapters.contract.BlockingSession`."""
        if audio:
            self._append(audio)

    def _append(self, audio: bytes) -> None:
        super()._append(audio)
        assert self._spool is not None
        self._feeder.grow(self._spool.size, last=audio)
        if self._recognition is _Recognition.WAITING:
            # Not earlier: a meeting without audio needs no connection.
            self._recognition = _Recognition.RUNNING
            threading.Thread(target=self._run, name="speech-compat-feed", daemon=True).start()

    async def _finish(self) -> None:
        try:
            await super()._finish()
        finally:
            # Only after the audio was ended in the store: the transcript comes after it.
            size = self._spool.size if self._spool is not None else 0
            await threads.AUDIO.run(self._feeder.grow, size, ended=True)
            if self._spool is None:
                self._queue.put(None if self._closed else AudioError(NO_AUDIO))

    async def _release(self) -> None:
        # In a thread: the feeder's lock may be held while an utterance is written to disk.
        await threads.AUDIO.run(self._feeder.close)
        if self._recognition is not _Recognition.WAITING:
            with anyio.move_on_after(_CLOSE_SECONDS):
                await self._feeder_ended.wait()
        self._queue.put(None)
        async with self._completing:
            await self._owner.release(self._recognition is _Recognition.COMPLETED)

    def _run(self) -> None:
        """Recognize, on the feeder's thread; the thread releases what it used by itself."""
        try:
            self._queue.put(self._recognize())
            # After the last event: to release the SDK may take seconds.
            self._feeder.release()
        finally:
            self._feeder_ended.set()

    def _recognize(self) -> SpeechError | None:
        try:
            self._feeder.run()
        except SpeechError as error:
            return error
        except Exception as error:
            unexpected = BackendError(
                f"The recognition ended with an unexpected {type(error).__name__}. The audio is"
                " kept if the meeting is stored; please report the error."
            )
            unexpected.__cause__ = error
            return unexpected
        finally:
            if self._journal is not None:
                self._journal.close()
        return None

    def _emit(self, event: SessionEvent) -> None:
        """Put an event into the queue; a final utterance is on disk before."""
        if self._journal is not None and isinstance(event, Recognized):
            self._journal.add(event.utterance)
        self._queue.put(event)
