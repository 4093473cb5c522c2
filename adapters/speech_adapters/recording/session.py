"""Recording into the meeting store, for every backend that keeps meetings.

::

    push ──▶ spool file        finish ──▶ audio closed in the store ──▶ processed
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final, Protocol

import anyio
from anyio.to_thread import run_sync

from speech_adapters.contract import JobState, SessionEvent
from speech_adapters.errors import AudioError, BackendError, MeetingBusyError
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.store import Hold, Recording, Store

__all__ = [
    "CUT_SHORT",
    "NO_AUDIO",
    "FolderKeeper",
    "Keeper",
    "SpoolSession",
    "StoreKeeper",
    "close_audio",
    "end_abandoned",
    "in_hand",
    "take_up",
]

CUT_SHORT: Final = "The recording ended early: the program that made it died or was stopped."
NO_AUDIO: Final = "The meeting has no audio (0 seconds): nothing was recorded."


class Keeper(Protocol):
    """Who keeps the recording; called from worker threads."""

    def hand_over(self, size: int) -> None:
        """The audio has ended, with ``size`` bytes."""
        ...

    def release(self, served: bool) -> None:
        """The session is closed; ``served`` tells whether its worker did all of its job."""
        ...


class FolderKeeper:
    """Keeps the audio of a meeting that is only live, and throws it away at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hand_over(self, size: int) -> None:
        """Do nothing: whoever listens has heard it all."""

    def release(self, served: bool) -> None:  # noqa: ARG002
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


class StoreKeeper:
    """Keeps a recording in the meeting store.

    Args:
        store: the store.
        recording: the recording.
        hold: the hold on its meeting, released at the end.
        live: whether the session itself sees to the processing.
        process: starts the processing of a recording.
    """

    def __init__(
        self,
        store: Store,
        recording: Recording,
        hold: Hold,
        live: bool,
        process: Callable[[Recording], None],
    ) -> None:
        self._store = store
        self._recording = recording
        self._hold = hold
        self._live = live
        self._process = process

    def hand_over(self, size: int) -> None:
        """Say in the store that the audio has ended, and have it processed."""
        close_audio(self._store, self._recording, size)
        if not self._live:
            self.proceed()

    def proceed(self) -> None:
        """Have it processed as far as it can be now."""
        self._process(self._store.get(self._recording.id))

    def release(self, served: bool) -> None:
        """Let others record the meeting; what the session left undone is done without it."""
        try:
            if self._live and not served:
                self.proceed()
        finally:
            self._hold.release()


class SpoolSession:
    """A meeting that is only stored; see :class:`speech_adapters.contract.Session`.

    Args:
        audio: where the spool goes.
        keeper: who keeps the recording.
    """

    def __init__(self, audio: Path, keeper: Keeper) -> None:
        self._path = audio
        self._keeper = keeper
        self._spool: SpoolWriter | None = None
        self._handed_over = anyio.Event()
        self._ended = False
        self._closed = False

    async def push(self, audio: bytes) -> None:
        """Append ``audio`` to the spool."""
        if self._ended:
            raise BackendError("The recording has ended already: no more audio can be pushed.")
        if audio:
            await run_sync(self._append, audio)

    async def finish(self) -> None:
        """End the recording and hand it over."""
        if not self._ended:
            self._ended = True
            try:
                await run_sync(self._end)
            finally:
                self._handed_over.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Give nothing, until the recording is handed over."""
        await self._handed_over.wait()
        if self._spool is None and not self._closed:
            raise AudioError(NO_AUDIO)
        for event in tuple[SessionEvent, ...]():
            yield event

    async def aclose(self) -> None:
        """Close; a recording not finished ends here."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            try:
                await self.finish()
            finally:
                await run_sync(self._leave)

    def _leave(self) -> None:
        """Let go of everything, in a worker thread; the recording has ended."""
        self._keeper.release(True)

    def _append(self, audio: bytes) -> None:
        if self._spool is None:
            self._spool = SpoolWriter(self._path)
        self._spool.write(audio)

    def _end(self) -> None:
        size = 0
        if self._spool is not None:
            with self._spool as spool:
                spool.sync()
                size = spool.size
        self._keeper.hand_over(size)


def close_audio(store: Store, recording: Recording, size: int, notes: tuple[str, ...] = ()) -> None:
    """End a recording of ``size`` bytes; one without audio has failed."""
    if size:
        store.close_audio(recording.id, size, notes)
    else:
        store.fail(recording.id, NO_AUDIO)


def end_abandoned(store: Store, recording: Recording) -> None:
    """End a recording whose program died; its meeting must be held."""
    path = recording.audio_path
    size = path.stat().st_size if path.exists() else 0
    whole = size - size % recording.request.audio.frame_bytes
    close_audio(store, recording, whole, (CUT_SHORT,))


def in_hand(store: Store, recording: Recording) -> bool:
    """Whether somebody processes the recording."""
    try:
        store.hold_recording(recording.id).release()
    except MeetingBusyError:
        return True
    return False


def take_up(store: Store, meeting_id: str, process: Callable[[Recording], None]) -> None:
    """End and process what was cut off; the meeting must be held."""
    for recording in store.recordings(meeting_id):
        if recording.state is JobState.UPLOADING and not in_hand(store, recording):
            end_abandoned(store, recording)
    for recording in store.recordings(meeting_id):
        process(recording)
