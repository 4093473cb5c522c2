"""The progress of a recording at a meeting service, as the meeting store keeps it.

The store keeps it as JSON text in ``Recording.backend_state`` and never parses it.
"""

from __future__ import annotations

import time
from enum import Enum, auto
from itertools import takewhile
from typing import Final

import attrs
import msgspec

from speech_adapters.contract import JobState
from speech_adapters.errors import StoreError
from speech_adapters.store import Recording, Store

__all__ = [
    "Rank",
    "RemoteProgress",
    "RemoteStage",
    "dump_progress",
    "load_progress",
    "rank_of",
    "save_failure",
    "save_progress",
]


class RemoteStage(Enum):
    """How far a recording is known to be; :mod:`.runner` has the diagram."""

    RECORDED = "recorded"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"


class Rank(Enum):
    """The place of a recording among those with the same meeting id.

    The service has one meeting of an id, the newest.  An older recording must not replace it
    there, nor be completed with its transcript.
    """

    NEWEST = auto()
    PENDING = auto()
    REPLACED = auto()


def rank_of(store: Store, recording: Recording) -> Rank:
    """Return the rank of a recording; PENDING while a newer one may have audio.  Blocks."""
    recordings = store.recordings(recording.meeting_id)
    newer = [
        found
        for found in takewhile(lambda found: found.id != recording.id, recordings)
        if found.backend == recording.backend and found.state is not JobState.DELETED
    ]
    if any(found.state is JobState.UPLOADING for found in newer):
        return Rank.PENDING
    return Rank.REPLACED if any(found.audio_bytes for found in newer) else Rank.NEWEST


@attrs.frozen
class RemoteProgress:
    """What a process needs to continue where another one stopped.

    Attributes:
        stage: how far the recording is; from UPLOADING on the service may have some of it.
        begun_at: Unix time in seconds from which the deadline counts; 0.0 for the next step.
        interrupted: uploads that ended without a word of their process since the last that
            ended in order.
        trouble: why the last upload failed; empty if it did not, or died.
        missing: how often the service did not know the meeting after its upload.
        unreadable: how often the service's answer was refused or could not be read.
    """

    stage: RemoteStage = RemoteStage.RECORDED
    begun_at: float = 0.0
    interrupted: int = 0
    trouble: str = ""
    missing: int = 0
    unreadable: int = 0

    def is_overdue(self, deadline_hours: float) -> bool:
        """Return whether the deadline is over; 0 is none."""
        # The clock may have been ahead at that time, so the age may be negative.
        begun = self.begun_at or time.time()
        return 0 < deadline_hours * 3600 < time.time() - begun

    def to_upload_again(self) -> RemoteProgress:
        """Return the progress with which all of the audio is uploaded again."""
        # Not RECORDED: what was uploaded before has to be deleted with the meeting.
        return RemoteProgress(RemoteStage.UPLOADING)

    def to_ask_again(self) -> RemoteProgress:
        """Return the progress with which the service is asked again, for the whole time."""
        return RemoteProgress(self.stage)


_decode: Final = msgspec.json.Decoder(RemoteProgress).decode


def load_progress(recording: Recording) -> RemoteProgress:
    """Return the progress of a recording; one without any state is only recorded.

    Raises:
        StoreError: the state cannot be read.
    """
    if not recording.backend_state:
        return RemoteProgress()
    try:
        return _decode(recording.backend_state)
    except msgspec.MsgspecError:
        raise StoreError(
            f"The progress of recording {recording.id} in the meeting store cannot be read: it"
            " is damaged or of another version."
        ) from None


def dump_progress(progress: RemoteProgress) -> str:
    """Return the JSON text that :func:`load_progress` reads."""
    return msgspec.json.encode(progress).decode()


def save_progress(
    store: Store, recording_id: str, progress: RemoteProgress, step: str | None = None
) -> bool:
    """Store the progress, and a step for people.  Blocks.

    Returns:
        Whether to continue: a meeting can be deleted while its recording is processed.
    """
    # Stored even for a deleted recording: its cleanup has to know of the upload.
    store.update(recording_id, step=step, backend_state=dump_progress(progress))
    return store.get(recording_id).state is not JobState.DELETED


def save_failure(store: Store, recording_id: str, progress: RemoteProgress, reason: str) -> None:
    """Fail a recording, with the progress from which a resumed one continues.  Blocks."""
    store.fail(recording_id, reason, backend_state=dump_progress(progress))
