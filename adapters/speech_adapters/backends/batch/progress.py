"""The progress of a recording in batch transcription, as the meeting store keeps it.

The store has it as JSON text in ``Recording.backend_state`` and never looks inside.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import attrs
import msgspec

from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.contract import JobState
from speech_adapters.errors import StoreError
from speech_adapters.store import Recording, Store

__all__ = ["BatchProgress", "BatchStage", "dump_progress", "load_progress", "save_progress"]


class BatchStage(Enum):
    """The last step that is known to be complete; see :mod:`.job_runner` for the diagram."""

    RECORDED = "recorded"
    UPLOADED = "uploaded"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"


@attrs.frozen
class BatchProgress:
    """What a process needs to continue where another one stopped.

    Attributes:
        stage: the last completed step.
        addresses: addresses of audio that is not uploaded from here.  They may be signed,
            so they are removed once the job is submitted.
        chunks: how the recording was cut; empty until it is.
        uploaded_chunks: how many of the chunks are completely uploaded.
        job_url: the job's address at the service, from the stage SUBMITTED on.
        submitted_at: Unix time in seconds from which the deadline counts; 0.0 for the
            time of the next poll.
        attempt: how many jobs of this recording have failed.
        warned: whether the log has a warning that the job takes long.
        undeleted: addresses of earlier jobs that were running when the meeting was deleted.
    """

    stage: BatchStage = BatchStage.RECORDED
    addresses: tuple[str, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    uploaded_chunks: int = 0
    job_url: str = ""
    submitted_at: float = 0.0
    attempt: int = 0
    warned: bool = False
    undeleted: tuple[str, ...] = ()


_decode: Final = msgspec.json.Decoder(BatchProgress).decode


def load_progress(recording: Recording) -> BatchProgress:
    """Return the progress of a recording; one without any state is only recorded.

    Raises:
        StoreError: the state cannot be read.
    """
    if not recording.backend_state:
        return BatchProgress()
    try:
        return _decode(recording.backend_state)
    except msgspec.MsgspecError:  # its text may quote a signed address
        raise StoreError(
            f"The batch progress of recording {recording.id} in the meeting store cannot be"
            " read: it is damaged or of another version."
        ) from None


def dump_progress(progress: BatchProgress) -> str:
    """Return the JSON text that :func:`load_progress` reads."""
    return msgspec.json.encode(progress).decode()


def save_progress(
    store: Store, recording_id: str, progress: BatchProgress, step: str | None = None
) -> bool:
    """Store the progress, and a step for people.  Blocks.

    Returns:
        Whether to continue: a meeting can be deleted while its recording is processed.
    """
    # Stored even for a deleted recording: its cleanup needs to know about the job.
    store.update(recording_id, step=step, backend_state=dump_progress(progress))
    return store.get(recording_id).state is JobState.PROCESSING
