"""The result of a final job: its transcript, or the reason why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from speech_adapters import threads
from speech_adapters.azure.result_files import (
    ResultFiles,
    complete_in_child,
    store_transcript,
    temporary_folder,
)
from speech_adapters.azure.results import read_result, read_source
from speech_adapters.backends.batch.api import Job
from speech_adapters.backends.batch.chunks import ChunkTranscript, merge
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.errors import BackendError
from speech_adapters.masking import mask
from speech_adapters.store import AsyncStore
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["JobFailedError", "fetch_transcript", "read_transcript", "store_isolated", "store_job"]

# How errors call a file, whose path means nothing to anyone.
_RESULT: Final = "The service's result"


class JobFailedError(BackendError):
    """The job failed at the service, for the reason in the message."""


async def fetch_transcript(
    client: BatchClient, job: Job, meeting_id: str, provenance: Provenance
) -> Transcript:
    """Return the transcript of a final job, which is not in the meeting store.

    Raises:
        JobFailedError: the job failed.
        BackendError: its result cannot be fetched or read.
    """
    async with temporary_folder() as folder:
        names = await _download(client, job, folder)
        return await threads.COMPUTE.run(
            read_transcript, ResultFiles(meeting_id, provenance, names)
        )


async def store_job(
    store: AsyncStore,
    recording_id: str,
    client: BatchClient,
    job: Job,
    meeting_id: str,
    provenance: Provenance,
) -> bool:
    """Complete a recording with the transcript of its final job; return whether it was stored.

    Raises:
        JobFailedError: the job failed.
        BackendError: its result cannot be fetched or read.
        StoreError: the transcript cannot be stored.
    """
    async with temporary_folder() as folder:
        files = ResultFiles(meeting_id, provenance, await _download(client, job, folder))
        return await store_transcript(store, recording_id, files, read_transcript, store_isolated)


def store_isolated(argument: str) -> str:
    """Store the transcript in a child process; see :func:`complete_in_child`."""
    return complete_in_child(argument, read_transcript)


def read_transcript(files: ResultFiles) -> Transcript:
    """Read and merge the results of a job.  Blocks.

    Raises:
        BackendError: a file is no result.
    """
    meeting_id, provenance = files.meeting_id, files.provenance
    # The usual case, without merging: the source then needs no second pass over the file.
    if len(files.names) == 1:
        return read_result(Path(next(iter(files.names))), meeting_id, provenance, _RESULT)
    parts = [
        ChunkTranscript(
            read_source(Path(path)), read_result(Path(path), meeting_id, provenance, _RESULT), name
        )
        for path, name in files.names.items()
    ]
    return merge(parts, meeting_id, provenance)


async def _download(client: BatchClient, job: Job, folder: Path) -> dict[str, str]:
    """Write the results into ``folder``; return the service's names by path.

    A job that failed for one file has failed: a transcript with a gap would look complete.

    Raises:
        JobFailedError: the job failed.
    """
    files = await client.files(job) if job.links.files else []
    report = await client.report(files)
    names = {} if report.failure else await client.results(files, folder)
    if names:
        return {str(path): name for path, name in names.items()}
    # The report names the file and the defect; the job's own reason is often less exact.
    reason = report.failure or job.failure or "the service returned neither result nor reason"
    # A reason may quote the audio's address with its signature.
    raise JobFailedError(f"Batch transcription failed: {mask(reason)}")
