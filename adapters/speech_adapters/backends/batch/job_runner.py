"""Recordings as jobs of the service, from any step at which a process stopped.

Every step is stored before the next one starts, so any process can continue::

    RECORDED ──upload──▶ UPLOADED ──▶ SUBMITTING ──submit──▶ SUBMITTED ──poll──▶ final state
        └──(audio at addresses)───────────▲  │ refused           │ job failed or is gone
        ▲                                    ▼                   ▼
        └──────────────────────resume──────────────────────── Failed

A step that fails is repeated with each status query, until the deadline.  A recording that
missed the deadline, or whose result cannot be read, is resumed in the stage it had.
Chunks that failed for a transient reason return to UPLOADED and are submitted again, alone;
the transcript is merged from all jobs.  What fails for good is missing in it, and is submitted
again if the meeting is resumed.

A process that stops in the stage SUBMITTING may have created a job whose address was never
stored.  The job is found by its tag, the recording's id, before another one is created:
each job is billed.
"""

from __future__ import annotations

import logging
import time
from typing import Final

import attrs

from speech_adapters import threads
from speech_adapters.azure.http_errors import is_refusal
from speech_adapters.azure.speakers import speaker_limit
from speech_adapters.azure.text_options import candidate_locales, profanity_mode
from speech_adapters.backends.batch.api import RECORDING, Job, Submission
from speech_adapters.backends.batch.chunks import audio_name
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import BatchOptions, punctuation_mode
from speech_adapters.backends.batch.polling import JobPoller
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    dump_progress,
    has_job,
    load_progress,
    save_progress,
)
from speech_adapters.backends.batch.results import (
    JobFailedError,
    JobOutcome,
    read_outcome,
    store_job,
)
from speech_adapters.backends.batch.upload import Uploader, blob_names, diarizes
from speech_adapters.contract import JobState
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    SpeechError,
    UnavailableError,
)
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["JobRunner"]

_HOUR: Final = 3600
# Most jobs take less than 6 hours, some 24 (docs/protocol/batch-and-fast-rest.md, 2.4).
_LONGEST_JOB_HOURS: Final = 48
# A result may be incomplete for some moments after its job has ended
# (docs/protocol/batch-and-fast-rest.md, 2.6); each attempt follows a poll.
_READ_ATTEMPTS: Final = 5
# What is overdue, and the remedy.
_OVERDUE_JOB: Final = (
    "The service has not finished it",
    "The job was left there, and may still be finished: resume the meeting to go on waiting.",
)
_OVERDUE_SUBMISSION: Final = (
    "It could not be submitted to the service",
    "Its audio is kept: resume the meeting to try again.",
)
# How often chunks are submitted again because of a transient error.
_REPEATS: Final = 2
_logger = logging.getLogger("speech_adapters")


class JobRunner:
    """Processes recordings; the caller holds the lock of each.

    All calls may raise the errors of service, storage and store.

    Args:
        store: the meeting store.
        client: the service.
        uploader: the container for audio.
        options: the backend's options.
        provenance: the origin of its transcripts.
    """

    def __init__(
        self,
        store: AsyncStore,
        client: BatchClient,
        uploader: Uploader,
        options: BatchOptions,
        provenance: Provenance,
    ) -> None:
        self._store = store
        self._client = client
        self._uploader = uploader
        self._options = options
        self._provenance = provenance
        self._poller = JobPoller(store, client, options.poll_seconds)

    async def step(self, recording: Recording) -> None:
        """Process a recording by one step: submit its job, or ask about the job once."""
        progress = await self._begin(recording)
        try:
            if progress.stage is not BatchStage.SUBMITTED:
                await self._submit(recording, progress)
            elif self._poller.is_due(recording):
                await self._poll(recording, progress)
        except SpeechError as error:
            # Every error ends in a final state at the deadline, however often it is retried.
            if not self._is_overdue(progress):
                raise
            # Read again: the step may have stored progress before it failed.
            recording = await self._store.run(Store.get, recording.id)
            await self._miss_deadline(recording, load_progress(recording), error)

    async def discard(self, recording: Recording) -> bool:
        """Delete blobs and jobs of a deleted recording.

        Returns:
            Whether all are deleted: the service does not delete a job that is running.
        """
        progress = load_progress(recording)
        try:
            await self._uploader.delete(recording, progress)
        finally:
            # Even if the blobs cannot be deleted: the two are kept by different services.
            deleted = await self._delete_jobs(recording, progress)
        return deleted

    async def _delete_jobs(self, recording: Recording, progress: BatchProgress) -> bool:
        """Delete the jobs of a deleted recording; return whether all of them are gone.

        The client refuses addresses at another resource than the configured one.
        """
        if not has_job(recording, progress):
            return True
        urls = {*progress.undeleted, *progress.earlier, progress.job_url} - {""}
        if progress.stage is BatchStage.SUBMITTING:
            job = await self._find_own_job(recording, progress)
            urls |= {job.url} if job is not None else set()
        # A list, so that all are tried even if one is still running.
        deleted = [await self._client.delete(url) for url in urls]
        return all(deleted)

    async def discard_audio(self, recording: Recording) -> None:
        """Delete the blobs of a completed recording, unless the options keep them."""
        progress = load_progress(recording)
        after = attrs.evolve(progress, repeats=0, pending=())
        if not self._options.keep_audio:
            await self._uploader.delete(recording, progress)
            # The deletion of the meeting then needs no storage account.
            after = attrs.evolve(after, chunks=())
        await self._save(recording, after)

    async def _begin(self, recording: Recording) -> BatchProgress:
        """Return the progress, with the time from which the deadline counts."""
        progress = load_progress(recording)
        if not (progress.begun_at or progress.submitted_at):
            progress = attrs.evolve(progress, begun_at=time.time())
            await self._save(recording, progress)
        return progress

    async def _submit(self, recording: Recording, progress: BatchProgress) -> None:
        job = None
        if progress.stage is BatchStage.SUBMITTING:
            job = await self._find_own_job(recording, progress)
        elif progress.stage is BatchStage.RECORDED and not progress.addresses:
            uploaded = await self._uploader.upload(recording, progress)
            if uploaded is None:
                return
            progress = uploaded
        if job is None:
            # Before the job exists, so that its deletion ends even if its address is lost.
            kept = (_LONGEST_JOB_HOURS + self._options.ttl_hours) * _HOUR
            progress = attrs.evolve(
                progress, stage=BatchStage.SUBMITTING, job_until=time.time() + kept
            )
            # A deleted meeting must not be transcribed.
            if not await self._save(recording, progress):
                return
            job = await self._create_job(recording, progress)
        if job is None:
            return
        progress = attrs.evolve(
            progress,
            stage=BatchStage.SUBMITTED,
            job_url=job.url,
            submitted_at=time.time(),
            addresses=(),
        )
        await self._save(recording, progress, "submitted to the service")

    async def _create_job(self, recording: Recording, progress: BatchProgress) -> Job | None:
        """Create the job; ``None`` if the service refuses it, which fails the recording."""
        request = recording.request
        limit = speaker_limit(request, self._options.max_speakers)
        submission = Submission(
            meeting_id=recording.meeting_id,
            recording=_job_tag(recording, progress),
            audio_urls=progress.addresses or await self._uploader.addresses(recording, progress),
            locale=request.language,
            max_speakers=limit.count if diarizes(request, self._options) else None,
            words=request.word_timestamps,
            ttl_hours=self._options.ttl_hours,
            mono=not progress.addresses,
            profanity=profanity_mode(request),
            punctuation=punctuation_mode(request, self._options),
            candidates=candidate_locales(request),
            model=self._options.model,
        )
        try:
            return await self._client.submit(submission)
        except UnavailableError:
            # The answer may have been lost after the service had created the job.
            job = await self._find_own_job(recording, progress)
            if job is None:
                raise
            return job
        except BackendError as error:
            if not is_refusal(error):
                raise
            await self._refuse(recording, progress, error)
            return None

    async def _refuse(
        self, recording: Recording, progress: BatchProgress, error: BackendError
    ) -> None:
        """Fail a recording whose job the service would refuse again; it can be resumed."""
        if progress.pending:
            # The audio of missing parts may be in the container only, where it was read before.
            progress = attrs.evolve(progress, stage=BatchStage.UPLOADED)
        else:
            # The audio is uploaded again then: it, or its address, may have been the reason.
            progress = attrs.evolve(progress, stage=BatchStage.RECORDED, uploaded_chunks=0)
        await self._fail(recording, progress.restarted_clock(), str(error))

    async def _find_own_job(self, recording: Recording, progress: BatchProgress) -> Job | None:
        tag = _job_tag(recording, progress)
        jobs = await self._client.find(recording.meeting_id)
        return next((job for job in jobs if job.custom.get(RECORDING) == tag), None)

    async def _poll(self, recording: Recording, progress: BatchProgress) -> None:
        job = await self._poller.query(recording, progress.job_url)
        if job is None:
            reason = "The job no longer exists at the service; it was deleted there."
            await self._give_up(recording, progress, reason)
        elif job.final:
            await self._finish(recording, progress, job)
        else:
            await self._wait(recording, progress, job)

    async def _wait(self, recording: Recording, progress: BatchProgress, job: Job) -> None:
        """Store the step; warn about a job that takes long, and fail one that takes too long."""
        progress = attrs.evolve(progress, submitted_at=progress.submitted_at or time.time())
        if self._is_overdue(progress):
            await self._miss_deadline(recording, progress)
            return
        age = _age(progress)
        doing = "being transcribed" if job.status == "Running" else "waiting in the queue"
        duration = f"{age / _HOUR:.1f} h" if age > _HOUR else f"{age / 60:.0f} min"
        warn = age > self._options.warn_hours * _HOUR and not progress.warned
        progress = attrs.evolve(progress, warned=progress.warned or warn)
        await self._save(recording, progress, f"{doing} at the service for {duration}")
        if warn:
            _logger.warning(
                "Meeting %r is %s at the service for %s; most take less than 6 h, some 24 h.",
                recording.meeting_id,
                doing,
                duration,
            )

    def _is_overdue(self, progress: BatchProgress) -> bool:
        return 0 < self._options.deadline_hours * _HOUR < _age(progress)

    async def _miss_deadline(
        self, recording: Recording, progress: BatchProgress, error: SpeechError | None = None
    ) -> None:
        what, remedy = _OVERDUE_JOB if progress.job_url else _OVERDUE_SUBMISSION
        hours = f"in {self._options.deadline_hours:g} hours (deadline_hours)"
        last = f" The last error: {error}" if error else ""
        # A resumed meeting has the whole time again.
        await self._fail(recording, progress.restarted_clock(), f"{what} {hours}. {remedy}{last}")

    async def _finish(self, recording: Recording, progress: BatchProgress, job: Job) -> None:
        try:
            outcome = await read_outcome(self._client, job)
            failed = _failed_chunks(recording, progress, outcome)
            if failed and outcome.transient and progress.repeats < _REPEATS:
                again = attrs.evolve(progress.next_attempt(failed), repeats=progress.repeats + 1)
                await self._save(recording, again, "to be transcribed again, as the service failed")
                return
            if progress.chunks and not failed and not self._options.keep_audio:
                # Before the completion: afterwards no status query asks about this recording.
                await self._store.run(Store.plan_cleanup, recording.id)
            provenance = self._provenance_of(recording)
            outcomes = [outcome, *await self._earlier_outcomes(progress)]
            completed = await store_job(
                self._store, recording.id, self._client, outcomes, recording.meeting_id, provenance
            )
        except JobFailedError as error:
            await self._give_up(recording, progress, str(error))
            return
        except BackendError as error:
            if await self._may_read_again(recording, progress, error):
                raise
            return
        if completed:
            await threads.STORE.run(recording.audio_path.unlink, missing_ok=True)
            await self._clean_up(recording, progress, failed)

    async def _clean_up(
        self, recording: Recording, progress: BatchProgress, failed: tuple[int, ...]
    ) -> None:
        """Delete the blobs that are not needed any more; a resumed meeting needs the failed."""
        if not failed:
            await self.discard_audio(recording)
            await self._store.run(Store.cleaned, recording.id, JobState.COMPLETED)
            return
        # Before the blobs are deleted, which may fail: it says which parts can be resumed.
        after = attrs.evolve(progress.next_attempt(failed), repeats=0, pending=failed)
        await self._save(recording, after)
        if not self._options.keep_audio:
            done = tuple(c for n, c in enumerate(progress.chunks) if n not in failed)
            await self._uploader.delete(recording, attrs.evolve(progress, chunks=done))

    async def _earlier_outcomes(self, progress: BatchProgress) -> list[JobOutcome]:
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
        return [await read_outcome(self._client, job) for job in found if job is not None]

    def _provenance_of(self, recording: Recording) -> Provenance:
        request, emulated = recording.request, tuple[str, ...]()
        if diarizes(request, self._options):
            emulated = speaker_limit(request, self._options.max_speakers).emulated
        notes = recording.provenance_notes
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
            await self._save(recording, progress)
            return True
        reason = (
            f"The result of the finished job could not be read in {_READ_ATTEMPTS} attempts:"
            f" {error} The job is left at the service: resume the meeting to read it again."
        )
        # The job is kept, because another one would be billed again.
        await self._fail(recording, attrs.evolve(progress, unreadable=0).restarted_clock(), reason)
        return False

    async def _give_up(self, recording: Recording, progress: BatchProgress, reason: str) -> None:
        # With a new attempt the job gets another tag, so that a resumed recording does not
        # find the failed job.  The blobs are uploaded again: they may be the reason.
        left = (*progress.undeleted, *progress.earlier)
        restart = BatchProgress(
            chunks=progress.chunks,
            attempt=progress.attempt + 1,
            undeleted=left,
            job_until=progress.job_until if left else 0.0,
        )
        await self._fail(recording, restart, reason)

    async def _fail(self, recording: Recording, progress: BatchProgress, reason: str) -> None:
        state = dump_progress(progress)
        await self._store.run(Store.fail, recording.id, reason, backend_state=state)

    async def _save(
        self, recording: Recording, progress: BatchProgress, step: str | None = None
    ) -> bool:
        return await self._store.run(save_progress, recording.id, progress, step)


def _age(progress: BatchProgress) -> float:
    """Return the seconds that count for the deadline."""
    begun = progress.submitted_at or progress.begun_at or time.time()
    # Never negative: the clock may have been ahead at that time.
    return max(time.time() - begun, 0.0)


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


def _job_tag(recording: Recording, progress: BatchProgress) -> str:
    """Return the tag by which the recording's job of the present attempt is found."""
    return f"{recording.id}.{progress.attempt}" if progress.attempt else recording.id
