"""What became of a job: its transcript, or why there is none."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from anyio.to_thread import run_sync

from speech_adapters.azure.results import read_result, read_source
from speech_adapters.backends.batch.api import Job
from speech_adapters.backends.batch.chunks import Piece, joined
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.errors import BackendError
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["JobFailedError", "read_job"]

_QUERY: Final = re.compile(r"\?[^\s\"']*")
_RESULT: Final = "The service's result"


class JobFailedError(BackendError):
    """The service gave up on a job, for the reason in the message."""


async def read_job(
    client: BatchClient, job: Job, meeting_id: str, origin: Provenance
) -> Transcript:
    """Give the transcript of a final job.

    Raises:
        JobFailedError: it failed, if only for one file; the report's reason goes before
            the job's, which often says less.
    """
    files = await client.files(job) if job.links.files else []
    report = await client.report(files)
    # Results can be larger than what should be in memory.
    with TemporaryDirectory(prefix="speech-compat-") as folder:
        names = {} if report.failure else await client.results(files, Path(folder))
        if names:
            return await run_sync(_read, names, meeting_id, origin)
    reason = report.failure or job.failure or "the service gave neither result nor reason"
    # A reason may quote the audio's address with its signature.
    raise JobFailedError(f"Batch transcription failed: {_QUERY.sub('?...', reason)}")


def _read(names: dict[Path, str], meeting_id: str, origin: Provenance) -> Transcript:
    if len(names) == 1:
        return read_result(next(iter(names)), meeting_id, origin, _RESULT)
    pieces = [
        Piece(read_source(path), read_result(path, meeting_id, origin, _RESULT), name)
        for path, name in names.items()
    ]
    return joined(pieces, meeting_id, origin)
