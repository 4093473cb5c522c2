"""The files of recordings: the audio, and what backends keep next to it under the same id.

A file that another process has open cannot be removed on some systems.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from speech_adapters.audio import PcmFormat
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.store.records import Recording

__all__ = [
    "StoredAudio",
    "find_audio",
    "recording_files",
    "remove_completed",
    "remove_files",
    "remove_others",
]


class StoredAudio(NamedTuple):
    """The audio of a recording: samples without a header.

    Attributes:
        path: the file; it may be removed at any time, and while it is recorded it grows.
        format: the format of the samples.
        size: bytes of whole sample frames.
    """

    path: Path
    format: PcmFormat
    size: int


def find_audio(recording: Recording) -> StoredAudio:
    """Return the audio of a recording.

    Raises:
        MeetingNotFoundError: it is not here.
    """
    path, pcm = recording.audio_path, recording.request.audio
    try:
        size = path.stat().st_size
    except OSError:
        raise MeetingNotFoundError(
            f"The audio of meeting {recording.meeting_id!r} is not here: it was not recorded here,"
            ' or was removed. Set "keep_audio" to keep that of later meetings.'
        ) from None
    return StoredAudio(path, pcm, size // pcm.frame_bytes * pcm.frame_bytes)


def remove_others(audio: Path) -> bool:
    """Remove the files next to a recording's audio, such as journal and log, where possible.

    Returns:
        Whether all of them are removed.
    """
    removed = True
    for name in _names(audio.parent):
        if name.startswith(f"{audio.stem}.") and name != audio.name:
            try:
                audio.with_name(name).unlink(missing_ok=True)
            except OSError:
                removed = False
    return removed


def remove_files(audio: Path) -> None:
    """Remove a recording's audio and the files next to it, where possible."""
    with suppress(OSError):
        audio.unlink(missing_ok=True)
    remove_others(audio)


def remove_completed(recording: Recording) -> None:
    """Remove what a recording no longer needs once its transcript is stored, where possible."""
    if recording.keep_audio:
        remove_others(recording.audio_path)
    else:
        remove_files(recording.audio_path)


def recording_files(folder: Path) -> dict[str, set[str]]:
    """Return the names of the files in the folder, by the ids of their recordings."""
    files: dict[str, set[str]] = {}
    for name in _names(folder):
        files.setdefault(name.partition(".")[0], set()).add(name)
    return files


def _names(folder: Path) -> list[str]:
    # Not Path.iterdir, which is several times slower: audio that is kept may be much.
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except OSError:  # a store that cannot be read reports it with the first call
        return []
