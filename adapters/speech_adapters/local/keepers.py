"""Who keeps what a session records: a temporary folder, or the meeting store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from speech_adapters.local.job import CUT_SHORT, NO_AUDIO
from speech_adapters.store import Hold, Recording, Store

__all__ = ["FolderKeeper", "StoreKeeper", "end_abandoned"]


class FolderKeeper:
    """Keeps the audio of a meeting that is only live, and throws it away at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hand_over(self, size: int) -> None:
        """Do nothing: the worker has heard it all."""

    def release(self, served: bool) -> None:  # noqa: ARG002
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


class StoreKeeper:
    """Keeps a recording in the meeting store.

    Args:
        store: the store.
        recording: the recording.
        hold: the hold on its meeting, released at the end.
        live: whether the session's own worker does the processing.
        process: starts the processing of a recording in the background.
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
        _close_audio(self._store, self._recording, size)
        if not self._live:
            self._process(self._store.get(self._recording.id))

    def release(self, served: bool) -> None:
        """Let others record the meeting; what the session's worker left is done without it."""
        try:
            if self._live and not served:
                self._process(self._store.get(self._recording.id))
        finally:
            self._hold.release()


def end_abandoned(store: Store, recording: Recording) -> None:
    """End a recording whose program died; its meeting must be held."""
    path = recording.audio_path
    size = path.stat().st_size if path.exists() else 0
    whole = size - size % recording.request.audio.frame_bytes
    _close_audio(store, recording, whole, (CUT_SHORT,))


def _close_audio(
    store: Store, recording: Recording, size: int, notes: tuple[str, ...] = ()
) -> None:
    if size:
        store.close_audio(recording.id, size, notes)
    else:
        store.fail(recording.id, NO_AUDIO)
