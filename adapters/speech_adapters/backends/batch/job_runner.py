"""Recordings as jobs of the service, from any step at which a process stopped.

Every step is stored before the next one starts, so any process can continue::

    RECORDED ──upload──▶ UPLOADED ──▶ SUBMITTING ──submit──▶ SUBMITTED ──poll──▶ final state
        └──(audio at addresses)───────────▲  │ refused           │ job failed or is gone
        ▲                                    ▼                   ▼
        └──────────────────────resume──────────────────────── Failed

A step that fails is repeated with each status query, until the deadline.  A recording that
missed the deadline, or whose result cannot be read, is resumed in the stage it had.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

import attrs

from speech_adapters import threads
from speech_adapters.backends.batch.api import Job
from speech_adapters.backends.batch.cleanup import Cleanup
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.completion import Completion
from speech_adapters.backends.batch.groups import GroupSubmitter
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.polling import JobPoller
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    load_progress,
    readable_progress,
    save_failure,
    save_progress,
)
from speech_adapters.backends.batch.submit import Submitter
from speech_adapters.backends.batch.upload import Uploader
from speech_adapters.errors import SpeechError
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["JobRunner"]

_HOUR: Final = 3600
# For a single job there is a request that returns it alone.
_FEWEST_JOBS: Final = 2
# What is overdue, and the remedy.
_OVERDUE_JOB: Final = (
    "The service has not finished it",
    "The job was left there, and may still be finished: resume the meeting to go on waiting.",
)
_OVERDUE_SUBMISSION: Final = (
    "It could not be submitted to the service",
    "Its audio is kept: resume the meeting to try again.",
)
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

    Attributes:
        cleanup: deletes what the recordings leave at service and storage.
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
        self._options = options
        self._poller = JobPoller(store, client, options.poll_seconds)
        self._submitter = Submitter(store, client, uploader, options)
        self._groups = GroupSubmitter(store, client, uploader, options)
        self.cleanup = Cleanup(store, client, uploader, options)
        self._completion = Completion(store, client, self.cleanup, options, provenance)

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

    async def refresh(self, recordings: Sequence[Recording]) -> set[str]:
        """Ask about the jobs of many recordings with one list, without their locks.

        Only what any process may change is stored: the steps, and the times of the next polls.

        Returns:
            The ids of those whose jobs are still open, for which there is nothing to do now.
        """
        asked = {recording.id: recording for recording in recordings}
        progress = await threads.COMPUTE.run(_submitted, recordings)
        waiting = {key: found for key, found in progress.items() if self._waits(asked[key], found)}
        urls = {key: found.job_url for key, found in waiting.items()}
        if len(set(urls.values())) < _FEWEST_JOBS:
            return set()
        created = min(asked[key].created for key in urls)
        jobs, pause = await self._poller.query_all(urls, created)
        steps = {key: _describe(job, waiting[key]) for key, job in jobs.items()}
        await self._poller.poll_later(list(steps), pause, steps)
        return set(steps)

    def _waits(self, recording: Recording, progress: BatchProgress) -> bool:
        """Return whether there is only the job to be asked about, which may not be final."""
        return (
            progress.submitted_at > 0
            and not self._is_overdue(progress)
            and not self._is_late(progress)
            and not self._poller.has_final(recording.id, progress.job_url)
            and self._poller.is_due(recording)
        )

    async def _begin(self, recording: Recording) -> BatchProgress:
        """Return the progress, with the time from which the deadline counts."""
        progress = load_progress(recording)
        if not (progress.begun_at or progress.submitted_at):
            progress = attrs.evolve(progress, begun_at=time.time())
            await self._store.run(save_progress, recording.id, progress)
        return progress

    async def _submit(self, recording: Recording, progress: BatchProgress) -> None:
        """Upload and submit a recording, or go on with a submission; by itself or with others."""
        if progress.submission:
            await self._groups.recover(recording, progress)
            return
        uploaded = await self._submitter.upload(recording, progress)
        if uploaded is None:
            return
        new = uploaded.stage is not BatchStage.SUBMITTING
        shares = new and self._groups.shares(recording, uploaded)
        if shares and not await self._groups.wait_or_submit(recording, uploaded):
            return
        await self._submitter.submit(recording, uploaded)

    async def _poll(self, recording: Recording, progress: BatchProgress) -> None:
        job = await self._poller.query(recording, progress.job_url)
        if job is None:
            reason = "The job no longer exists at the service; it was deleted there."
            await self._store.run(save_failure, recording.id, progress.without_job(), reason)
        elif job.final:
            await self._completion.finish(recording, progress, job)
        else:
            await self._wait(recording, progress, job)

    async def _wait(self, recording: Recording, progress: BatchProgress, job: Job) -> None:
        """Store the step; warn about a job that takes long, and fail one that takes too long."""
        progress = attrs.evolve(progress, submitted_at=progress.submitted_at or time.time())
        if self._is_overdue(progress):
            await self._miss_deadline(recording, progress)
            return
        warn = self._is_late(progress)
        progress = attrs.evolve(progress, warned=progress.warned or warn)
        step = _describe(job, progress)
        await self._store.run(save_progress, recording.id, progress, step)
        if warn:
            _logger.warning(
                "Meeting %r is %s; most take less than 6 h, some 24 h.",
                recording.meeting_id,
                step,
            )

    def _is_late(self, progress: BatchProgress) -> bool:
        """Return whether the log is to warn about the job."""
        return _age(progress) > self._options.warn_hours * _HOUR and not progress.warned

    def _is_overdue(self, progress: BatchProgress) -> bool:
        return 0 < self._options.deadline_hours * _HOUR < _age(progress)

    async def _miss_deadline(
        self, recording: Recording, progress: BatchProgress, error: SpeechError | None = None
    ) -> None:
        what, remedy = _OVERDUE_JOB if progress.job_url else _OVERDUE_SUBMISSION
        hours = f"in {self._options.deadline_hours:g} hours (deadline_hours)"
        last = f" The last error: {error}" if error else ""
        reason = f"{what} {hours}. {remedy}{last}"
        # A resumed meeting has the whole time again.
        await self._store.run(save_failure, recording.id, progress.restarted_clock(), reason)


def _submitted(recordings: Sequence[Recording]) -> dict[str, BatchProgress]:
    """Return the progress of those that have a job, by their ids."""
    return {
        recording.id: progress
        for recording, progress in readable_progress(recordings)
        if progress.stage is BatchStage.SUBMITTED
    }


def _describe(job: Job, progress: BatchProgress) -> str:
    """Return the step of a recording whose job is open."""
    age = _age(progress)
    doing = "being transcribed" if job.status == "Running" else "waiting in the queue"
    duration = f"{age / _HOUR:.1f} h" if age > _HOUR else f"{age / 60:.0f} min"
    return f"{doing} at the service for {duration}"


def _age(progress: BatchProgress) -> float:
    """Return the seconds that count for the deadline."""
    begun = progress.submitted_at or progress.begun_at or time.time()
    # Never negative: the clock may have been ahead at that time.
    return max(time.time() - begun, 0.0)
