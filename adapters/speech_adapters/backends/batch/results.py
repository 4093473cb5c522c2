"""The result of a final job: its transcript, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from speech_adapters import threads
from speech_adapters.azure.result_files import (
    ResultFiles,
    complete_in_child,
    store_transcript,
    temporary_folder,
)
from speech_adapters.azure.results import CHANNEL_IS_SPEAKER, open_result, read_source
from speech_adapters.backends.batch.api import Job, Report, ResultFile
from speech_adapters.backends.batch.chunks import (
    ChunkTranscript,
    audio_name,
    describe_place,
    is_chunk,
    merge,
)
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.shared_jobs import JobPart
from speech_adapters.errors import BackendError
from speech_adapters.store import AsyncStore, Recording
from speech_adapters.transcript import (
    AnyTranscript,
    Provenance,
    Reread,
    StreamedTranscript,
    Transcript,
    Utterance,
)

__all__ = [
    "JobFailedError",
    "JobOutcome",
    "fetch_transcript",
    "read_outcome",
    "read_transcript",
    "store_isolated",
    "store_job",
]

# The name of a result file in errors: its temporary path would be useless there.
_RESULT: Final = "The service's result"
_NO_REASON: Final = "the service returned neither result nor reason"
# Kinds of errors that other clients retry (docs/protocol/batch-and-fast-rest.md, 2.6).
_TRANSIENT: Final = ("Internal", "Timeout", "Transient", "InvalidUri")
# The service's only message about audio with several channels if speakers are to be
# distinguished (docs/protocol/batch-and-fast-rest.md, 2.5).
_INVALID_DATA: Final = "invalid data"
_NOT_MONO: Final = (
    " The likely cause is that the audio at its address has several channels, which the service"
    " refuses if speakers are to be distinguished. Convert it to mono, push it instead of naming"
    " its address, or transcribe it without distinguishing speakers."
)


class JobFailedError(BackendError):
    """The job failed at the service, for the reason in the message."""


@attrs.frozen
class JobOutcome:
    """A final job with its files and report.

    Attributes:
        job: the job.
        files: its files.
        report: the outcome for each audio file.
        part: which of the files are meant, if other recordings share the job; otherwise all.
    """

    job: Job
    files: list[ResultFile]
    report: Report
    part: JobPart | None = None

    async def download(self, client: BatchClient, folder: Path) -> dict[Path, str]:
        """Write the results into ``folder``; return names by path.

        Raises:
            BackendError: one cannot be fetched, or is not there yet.
            MissingFileError: the job has no outcome for a file of the part.
        """
        if self.part is None:
            return await client.results(self.files, folder)
        return await self.part.download(client, folder)

    @property
    def reason(self) -> str:
        """Why the job, or its first failed file, failed; without secrets."""
        # The report names the file and the defect; the job's own reason is often less exact.
        reason = self.report.failure or self.job.failure or _NO_REASON
        hint = _NOT_MONO if self.job.needs_mono and _INVALID_DATA in reason.lower() else ""
        return f"{reason}{hint}"

    @property
    def transient(self) -> bool:
        """Whether there are failures and another attempt may succeed for all of them."""
        error = self.job.properties.error
        kinds = [found.error_kind for found in self.report.failed] or [error.code if error else ""]
        return all(kind in _TRANSIENT for kind in kinds)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing in the transcript, one sentence for each failed file."""
        return tuple(
            f"{describe_place(found.source)} was not transcribed: {found.reason}"
            for found in self.report.failed
        )


async def read_outcome(client: BatchClient, job: Job) -> JobOutcome:
    """Return the files and the report of a final job.

    Raises:
        BackendError: they cannot be fetched or read.
    """
    files = await client.files(job)
    return JobOutcome(job, files, await client.report(files))


async def fetch_transcript(
    client: BatchClient,
    job: Job,
    meeting_id: str,
    provenance: Provenance,
    earlier: Sequence[Job] = (),
) -> Transcript:
    """Return the transcript of a final job, which is not in the meeting store.

    Args:
        client: the service.
        job: the newest job of the meeting.
        meeting_id: the meeting's id.
        provenance: the origin of the transcript.
        earlier: other final jobs of the same recording, the newest first.

    Raises:
        JobFailedError: the job failed.
        BackendError: its result cannot be fetched or read.
    """
    outcomes = [await read_outcome(client, found) for found in (job, *earlier)]
    async with temporary_folder() as folder:
        files = await _download(client, outcomes, folder, meeting_id, provenance)
        return await threads.COMPUTE.run(lambda: read_transcript(files).load())


async def store_job(
    store: AsyncStore,
    recording: Recording,
    client: BatchClient,
    outcomes: Sequence[JobOutcome],
    provenance: Provenance,
) -> bool:
    """Complete a recording with the transcript of its final jobs; return whether it was stored.

    What failed is missing in the transcript, and its provenance states it.

    Args:
        store: the meeting store.
        recording: which recording.
        client: the service.
        outcomes: the recording's jobs, the newest first.
        provenance: the origin of the transcript.

    Raises:
        JobFailedError: no job has a result.
        BackendError: a result cannot be fetched or read.
        StoreError: the transcript cannot be stored.
    """
    async with temporary_folder() as folder:
        files = await _download(client, outcomes, folder, recording.meeting_id, provenance)
        files = attrs.evolve(files, speakers=recording.request.differentiate_speakers)
        return await store_transcript(store, recording.id, files, read_transcript, store_isolated)


def store_isolated(argument: str) -> str:
    """Store the transcript in a child process; see :func:`complete_in_child`."""
    return complete_in_child(argument, read_transcript)


def read_transcript(files: ResultFiles) -> AnyTranscript:
    """Read and merge the results of a job.  Blocks.

    Raises:
        BackendError: a file is no result.
    """
    transcript = _read(files)
    return transcript if files.speakers else _without_speakers(transcript)


def _without_speakers(transcript: AnyTranscript) -> AnyTranscript:
    """Return the transcript of a meeting that requested no speakers; its channels are none."""

    def read() -> Iterator[Utterance]:
        return (attrs.evolve(found, speaker=None) for found in transcript.utterances)

    notes = tuple(n for n in transcript.provenance.emulated if n != CHANNEL_IS_SPEAKER)
    provenance = attrs.evolve(transcript.provenance, emulated=notes)
    without = StreamedTranscript(
        transcript.meeting_id, Reread(read), transcript.duration, provenance
    )
    return without.load() if isinstance(transcript, Transcript) else without


def _read(files: ResultFiles) -> AnyTranscript:
    meeting_id, provenance = files.meeting_id, files.provenance
    # The usual case, without merging: the source then needs no second pass over the file.
    if len(files.names) == 1 and not files.partial:
        return open_result(Path(next(iter(files.names))), meeting_id, provenance, _RESULT)
    parts: dict[str, ChunkTranscript] = {}
    for path, name in files.names.items():
        source = read_source(Path(path))
        # The newest result of a chunk counts; addresses of a program may be equal.
        key = audio_name(source) if is_chunk(source) else path
        if key not in parts:
            transcript = open_result(Path(path), meeting_id, provenance, _RESULT)
            parts[key] = ChunkTranscript(source, transcript, name)
    return merge(list(parts.values()), meeting_id, provenance)


async def _download(
    client: BatchClient,
    outcomes: Sequence[JobOutcome],
    folder: Path,
    meeting_id: str,
    provenance: Provenance,
) -> ResultFiles:
    """Write the results of all jobs, the newest first, into ``folder``.

    Raises:
        JobFailedError: there is no result.
    """
    names: dict[str, str] = {}
    for number, outcome in enumerate(outcomes):
        own = folder / str(number)
        await threads.TRANSFER.run(own.mkdir)
        found = await outcome.download(client, own)
        names |= {str(path): name for path, name in found.items()}
    newest = outcomes[0]
    if not names:
        raise JobFailedError(f"Batch transcription failed: {newest.reason}")
    missing = newest.missing
    if newest.job.status == "Failed" and not missing:
        missing = (f"A part of the meeting was not transcribed: {newest.reason}",)
    provenance = attrs.evolve(provenance, notes=(*provenance.notes, *missing))
    return ResultFiles(meeting_id, provenance, names, partial=bool(missing) or len(outcomes) > 1)
