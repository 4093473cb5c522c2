"""The compressed file that a recording was decoded from, for services that accept it as it is.

It is smaller than the recording, and is not decoded and encoded again.  It is kept beside the
recording, which stays complete: a service that refuses the file is sent the recording.
"""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from speech_adapters.audio.containers import HEAD_BYTES, MEDIA_TYPES, recognize_kind
from speech_adapters.recording.spool import private_opener
from speech_adapters.store import Recording

__all__ = [
    "ACCEPTED",
    "SENT_AS_IT_IS",
    "Original",
    "find_original",
    "keep_original",
    "original_path",
    "remove_original",
]

# The kinds that the service documents (docs/protocol/batch-and-fast-rest.md, 2.5), with the
# suffix of each.  MP4 and M4A are not among them.
ACCEPTED: Final = {
    "aac": "aac",
    "amr": "amr",
    "asf": "wma",
    "flac": "flac",
    "matroska": "webm",
    "mp3": "mp3",
    "ogg": "ogg",
}
# What the transcript's provenance states.
SENT_AS_IT_IS: Final = "The compressed file was sent to the service as it is."
_logger = logging.getLogger("speech_adapters")


@attrs.frozen
class Original:
    """A file that a service accepts.

    Attributes:
        path: the file; it is removed with the recording.
        size: its bytes.
        suffix: that of its kind, without the period.
        media_type: the media type of its kind.
    """

    path: Path
    size: int
    suffix: str
    media_type: str


def keep_original(recording: Recording, file: Path) -> None:
    """Copy the file that a recording has all of the audio of, if a service accepts it.  Blocks.

    Only mono files: of several channels, the settings decide what is sent.  Without a copy,
    because the disk is full for example, the recording is sent.
    """
    target = original_path(recording)
    pcm = recording.request.audio
    try:
        with file.open("rb") as source:
            suffix = _accepted(source.read(HEAD_BYTES))
            smaller = file.stat().st_size < pcm.mono_bytes(recording.audio_path.stat().st_size)
            if not suffix or pcm.channels != 1 or not smaller:
                return
            source.seek(0)
            # Renamed when it is complete: this process may be killed meanwhile.
            part = target.with_suffix(".original-part")
            with open(part, "wb", opener=private_opener) as copy:
                shutil.copyfileobj(source, copy)
            part.replace(target)
    except OSError as error:
        _logger.info(
            "The file of meeting %r is not kept: %s.", recording.meeting_id, error.strerror
        )
        remove_original(recording)


def find_original(recording: Recording) -> Original | None:
    """Return the file that was kept for a recording, if there is one.  Blocks."""
    path = original_path(recording)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    suffix, kind = _accepted(head), recognize_kind(head)
    if not suffix or kind is None:
        return None
    return Original(path, size, suffix, MEDIA_TYPES[kind])


def remove_original(recording: Recording) -> None:
    """Remove the file, so that the recording is sent.  Blocks."""
    with suppress(OSError):
        original_path(recording).unlink(missing_ok=True)


def original_path(recording: Recording) -> Path:
    """Return where the file of a recording is kept."""
    return recording.audio_path.with_suffix(".original")


def _accepted(head: bytes) -> str:
    """Return the suffix of a kind that the service accepts; empty for another."""
    kind = recognize_kind(head)
    # The service reads WebM, not all of Matroska; the header names which it is.
    if kind is None or (kind == "matroska" and b"webm" not in head):
        return ""
    return ACCEPTED.get(kind, "")
