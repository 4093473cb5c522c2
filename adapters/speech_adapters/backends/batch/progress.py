"""The progress of a recording in batch transcription, as the meeting store keeps it.

The store keeps it as JSON text in ``Recording.backend_state`` and never parses it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final, TypeVar

import attrs
import msgspec

from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.contract import JobState
from speech_adapters.errors import StoreError
from speech_adapters.masking import masked_repr
from speech_adapters.store import OpenState, Recording, Store

__all__ = [
    "BatchProgress",
    "BatchStage",
    "dump_progress",
    "has_job",
    "load_progress",
    "readable_progress",
    "save_failure",
    "save_progress",
]

StateT = TypeVar("StateT", Recording, OpenState)
# The service keeps a job for 31 days at most (docs/protocol/batch-and-fast-rest.md, 2.2); two
# more for the job itself.
_LONGEST_KEPT_SECONDS: Final = 33 * 24 * 3600


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
        as_wav: whether the recording is sent although a chunk is a compressed file, because the
            job with the file has failed.
        uploaded_chunks: how many of the chunks are completely uploaded.
        job_url: the job's address at the service, from the stage SUBMITTED on.
        begun_at: Unix time in seconds of the first step, from which the deadline counts
            until there is a job; 0.0 for the time of the next step.
        submitted_at: Unix time in seconds from which the deadline counts once there is a
            job; 0.0 for the time of the next poll.
        job_until: Unix time in seconds after which the service has deleted the job by
            itself; 0.0 if unknown.
        attempt: how many jobs of this recording have failed.
        warned: whether the log has a warning that the job takes long.
        unreadable: how often the result of the final job could not be read.
        undeleted: addresses of earlier jobs that were running when the meeting was deleted.
        earlier: addresses of the jobs with the results of the other chunks.
        pending: indexes of the chunks that are not transcribed yet; empty for all.
        repeats: how often chunks were submitted again because of a transient error.
        group_key: the key of the recordings that may share its next job; empty unless it waits.
        waiting_since: Unix time in seconds from which it waits for others of its group.
        submission: the id of the submission that it shares with others, of whose job this is
            the tag; empty for a job of its own.
        position: the place of its first file among the files of that submission.
        alone: whether it shares no job any more, because one of several recordings failed.
        shared: addresses of its jobs, present and earlier, with files of other recordings.
    """

    stage: BatchStage = BatchStage.RECORDED
    addresses: tuple[str, ...] = attrs.field(default=(), repr=masked_repr)
    chunks: tuple[Chunk, ...] = ()
    uploaded_chunks: int = 0
    job_url: str = ""
    begun_at: float = 0.0
    submitted_at: float = 0.0
    job_until: float = 0.0
    attempt: int = 0
    warned: bool = False
    unreadable: int = 0
    undeleted: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    pending: tuple[int, ...] = ()
    repeats: int = 0
    as_wav: bool = False
    group_key: str = ""
    waiting_since: float = 0.0
    submission: str = ""
    position: int = 0
    alone: bool = False
    shared: tuple[str, ...] = ()

    @property
    def sent_chunks(self) -> tuple[Chunk, ...]:
        """The chunks, each with the suffix of the file that is sent now."""
        if not self.as_wav:
            return self.chunks
        return tuple(chunk.as_wav() for chunk in self.chunks)

    @property
    def sends_original(self) -> bool:
        """Whether the compressed file is sent that the recording was decoded from."""
        return any(chunk.suffix != "wav" and not chunk.encoded for chunk in self.sent_chunks)

    @property
    def sends_compressed(self) -> bool:
        """Whether a compressed file is sent, which may be why a job fails."""
        return any(chunk.suffix != "wav" for chunk in self.sent_chunks)

    def next_attempt(self, failed: tuple[int, ...]) -> BatchProgress:
        """Return the progress with which only the ``failed`` chunks are submitted again."""
        # The next job has the whole time until the deadline.
        return attrs.evolve(
            self,
            stage=BatchStage.UPLOADED,
            earlier=(*self.earlier, self.job_url),
            pending=failed,
            job_url="",
            submission="",
            unreadable=0,
            attempt=self.attempt + 1,
        ).restarted_clock()

    def without_job(self) -> BatchProgress:
        """Return the progress for another job, because this one has failed or is gone."""
        # With a new attempt the job gets another tag, so that a resumed recording does not
        # find the failed job.  The blobs are uploaded again: they may be the reason.
        left = (*self.undeleted, *self.earlier)
        if self.job_url in self.shared:
            # Unlike a job of its own, it is not found by the id of the meeting.
            left += (self.job_url,)
        return BatchProgress(
            chunks=self.chunks,
            as_wav=self.as_wav or self.sends_compressed,
            attempt=self.attempt + 1,
            undeleted=left,
            job_until=self.job_until if left else 0.0,
            shared=self.shared,
        )

    def restarted_clock(self) -> BatchProgress:
        """Return the progress with the whole time until the deadline again."""
        return attrs.evolve(self, begun_at=0.0, submitted_at=0.0)


_decode: Final = msgspec.json.Decoder(BatchProgress).decode


def load_progress(recording: Recording | OpenState) -> BatchProgress:
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


def readable_progress(found: Iterable[StateT]) -> Iterator[tuple[StateT, BatchProgress]]:
    """Yield recordings with their progress, without those whose progress cannot be read.

    A damaged progress concerns its own meeting only, whose next step reports it.
    """
    for recording in found:
        try:
            progress = load_progress(recording)
        except StoreError:
            continue
        yield recording, progress


def has_job(recording: Recording, progress: BatchProgress) -> bool:
    """Return whether the service may still keep a job of a recording."""
    known = progress.job_url or progress.undeleted or progress.earlier
    if not (known or progress.stage is BatchStage.SUBMITTING):
        return False
    unknown = recording.created.timestamp() + _LONGEST_KEPT_SECONDS
    return time.time() <= (progress.job_until or unknown)


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
    signed = bool(load_progress(store.get(recording_id)).addresses)
    # Stored even for a deleted recording: its cleanup has to find the job.
    store.update(recording_id, step=step, backend_state=dump_progress(progress))
    if signed and not progress.addresses:
        store.forget()
    return store.get(recording_id).state is JobState.PROCESSING


def save_failure(store: Store, recording_id: str, progress: BatchProgress, reason: str) -> None:
    """Fail a recording, with the progress from which a resumed one continues.  Blocks."""
    store.fail(recording_id, reason, backend_state=dump_progress(progress))
