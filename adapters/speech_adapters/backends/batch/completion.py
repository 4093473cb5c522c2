"""The end of a final job: its transcript is stored, or its recording is repeated or fails.

Chunks that failed for a transient reason return to the stage UPLOADED and are submitted
again, alone; the transcript is merged from all jobs.  What fails for good is missing in it,
and is submitted again if the meeting is resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from speech_adapters import threads
from speech_adapters.azure.speakers import speaker_limit
from speech_adapters.backends.batch.api import Job, job_id
from speech_adapters.backends.batch.chunks import audio_name
from speech_adapters.backends.batch.cleanup import Cleanup
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.progress import BatchProgress, save_failure, save_progress
from speech_adapters.backends.batch.results import (
    JobFailedError,
    JobOutcome,
    read_outcome,
    store_job,
)
from speech_adapters.backends.batch.shared_jobs import JobPart, MissingFileError, SharedJobs
from speech_adapters.backends.batch.upload import blob_names, diarizes
from speech_adapters.errors import AuthenticationError, BackendError
from speech_adapters.recording.original import SENT_AS_IT_IS
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.store.files import remove_completed
from speech_adapters.transcript import Provenance

__all__ = ["Completion"]

# A result may be incomplete for some moments after its job has ended
# (docs/protocol/batch-and-fast-rest.md, 2.6); each attempt follows a poll.
_READ_ATTEMPTS: Final = 5
# How often chunks are submitted again because of a transient error.
_REPEATS: Final = 2


class Completion:
    """Completes recordings whose job is final.

    Args:
        store: the meeting store.
        client: the service.
        cleanup: deletes what a completed recording does not need any more.
        options: the backend's options.
        provenance: the origin of its transcripts.
    """

    def __init__(
        self,
        store: AsyncStore,
        client: BatchClient,
        cleanup: Cleanup,
        options: BatchOptions,
        provenance: Provenance,
    ) -> None:
        self._store = store
        self._client = client
        self._cleanup = cleanup
        self._options = options
        self._provenance = provenance
        self._shared = SharedJobs(client)

    async def finish(self, recording: Recording, progress: BatchProgress, job: Job) -> None:
        """Store the transcript of a final job, submit chunks again, or fail the recording.

        Raises:
            BackendError: the result cannot be read now.
            StoreError: the transcript cannot be stored.
        """
        try:
            outcome = await self._outcome(recording, progress, job)
            failed = _failed_chunks(recording, progress, outcome)
            if failed and progress.submission and not outcome.report.failed:
                raise MissingFileError
            if failed and outcome.transient and progress.repeats < _REPEATS:
                again = attrs.evolve(progress.next_attempt(failed), repeats=progress.repeats + 1)
                step = "to be transcribed again, as the service failed"
                await self._store.run(save_progress, recording.id, again, step)
                return
            if progress.chunks and not failed and not self._options.keep_audio:
                # Before the completion: afterwards no status query asks about this recording.
                await self._store.run(Store.plan_cleanup, recording.id)
            provenance = self._provenance_of(recording, progress)
            outcomes = [outcome, *await self._earlier_outcomes(recording, progress)]
            completed = await store_job(self._store, recording, self._client, outcomes, provenance)
        except MissingFileError:
            await self._submit_alone(recording, progress)
            return
        except JobFailedError as error:
            await self._end_failed_job(recording, progress, error)
            return
        except BackendError as error:
            self._shared.forget(job)
            if await self._may_read_again(recording, progress, error):
                raise
            return
        if completed:
            await threads.STORE.run(remove_completed, recording)
            await self._cleanup.complete(recording, progress, failed)

    async def _outcome(self, recording: Recording, progress: BatchProgress, job: Job) -> JobOutcome:
        """Return the files and the report of a final job; of a shared one, this recording's."""
        if job_id(job.url) not in map(job_id, progress.shared):
            return await read_outcome(self._client, job)
        listing = await self._shared.listing(job)
        names: Sequence[str] = blob_names(recording, progress)
        if job_id(job.url) != job_id(progress.job_url):
            # Which of them an earlier job had is not stored, but its report states it.
            names = [name for name in names if name in listing.details]
        elif progress.pending:
            names = [names[index] for index in progress.pending]
        part = JobPart(listing, names, progress.position)
        return JobOutcome(job, listing.files, part.report, part)

    async def _submit_alone(self, recording: Recording, progress: BatchProgress) -> None:
        """Submit a recording alone, of which the job of several states nothing.

        Any of the others may be why the job failed as a whole.
        """
        sent = progress.pending or range(len(progress.chunks))
        again = attrs.evolve(progress.next_attempt(tuple(sent)), alone=True)
        step = "to be submitted alone, as the job of several recordings has no result for it"
        await self._store.run(save_progress, recording.id, again, step)

    async def _earlier_outcomes(
        self, recording: Recording, progress: BatchProgress
    ) -> list[JobOutcome]:
        """Return the jobs with the results of the other chunks, the newest first.

        Raises:
            JobFailedError: one of them no longer exists.
        """
        found = [(await self._client.get(url))[0] for url in reversed(progress.earlier)]
        if None in found:
            raise JobFailedError(
                "The results of the other parts no longer exist at the service (ttl_hours):"
                " transcribe the audio again."
            )
        return [await self._outcome(recording, progress, job) for job in found if job is not None]

    async def _end_failed_job(
        self, recording: Recording, progress: BatchProgress, error: JobFailedError
    ) -> None:
        """Fail the recording, unless a compressed file may be the reason: then send WAV."""
        if progress.sends_compressed:
            step = "to be sent again as WAV, as the service did not accept the file"
            await self._store.run(save_progress, recording.id, progress.without_job(), step)
        else:
            await self._store.run(save_failure, recording.id, progress.without_job(), str(error))

    def _provenance_of(self, recording: Recording, progress: BatchProgress) -> Provenance:
        request, emulated = recording.request, tuple[str, ...]()
        if diarizes(request, self._options):
            emulated = speaker_limit(request, self._options.max_speakers).emulated
        notes = recording.provenance_notes
        if progress.sends_original:
            notes += (SENT_AS_IT_IS,)
        return attrs.evolve(self._provenance, emulated=emulated, notes=notes)

    async def _may_read_again(
        self, recording: Recording, progress: BatchProgress, error: BackendError
    ) -> bool:
        """Count a result that cannot be read; fail the recording at the last attempt."""
        # Not what passes by itself, nor what another key repairs: the deadline limits both.
        if error.retryable or isinstance(error, AuthenticationError):
            return True
        progress = attrs.evolve(progress, unreadable=progress.unreadable + 1)
        if progress.unreadable < _READ_ATTEMPTS:
            await self._store.run(save_progress, recording.id, progress)
            return True
        reason = (
            f"The result of the finished job could not be read in {_READ_ATTEMPTS} attempts:"
            f" {error} The job is left at the service: resume the meeting to read it again."
        )
        # The job is kept, because another one would be billed again.
        again = attrs.evolve(progress, unreadable=0).restarted_clock()
        await self._store.run(save_failure, recording.id, again, reason)
        return False


def _failed_chunks(
    recording: Recording, progress: BatchProgress, outcome: JobOutcome
) -> tuple[int, ...]:
    """Return the indexes of the chunks that a final job did not transcribe."""
    names = blob_names(recording, progress)
    sent = progress.pending or range(len(names))
    if outcome.job.status == "Failed" and not outcome.report.details:
        return tuple(sent)
    failed = {audio_name(found.source) for found in outcome.report.failed}
    return tuple(index for index in sent if names[index] in failed)
