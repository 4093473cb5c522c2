"""The files of recordings: the audio, and what backends keep next to it under the same id.

A file that another process has open cannot be removed on some systems.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

__all__ = ["recording_ids", "remove_all", "remove_files", "remove_others"]


def remove_others(audio: Path) -> bool:
    """Remove the files next to a recording's audio, such as journal and log, where possible.

    Returns:
        Whether all of them are removed.
    """
    removed = True
    for path in audio.parent.glob(f"{audio.stem}.*"):
        if path != audio:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                removed = False
    return removed


def remove_files(audio: Path) -> None:
    """Remove a recording's audio and the files next to it, where possible."""
    with suppress(OSError):
        audio.unlink(missing_ok=True)
    remove_others(audio)


def remove_all(folder: Path, ids: Iterable[str]) -> None:
    """Remove all files of these recordings from the folder, where possible."""
    for key in ids:
        remove_files(folder / f"{key}.pcm")


def recording_ids(folder: Path) -> set[str]:
    """Return the ids of the recordings that have a file in the folder."""
    try:
        return {path.name.partition(".")[0] for path in folder.iterdir()}
    except OSError:  # a store that cannot be read reports it with the first call
        return set()
