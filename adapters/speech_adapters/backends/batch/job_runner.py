"""Recordings as jobs of the service, from any step at which a process stopped.

Every step is stored before the next one starts, so any process can continue::

    RECORDED ──upload──▶ UPLOADED ──▶ SUBMITTING ──submit──▶ SUBMITTED ──poll──▶ final state
        └──(audio at addresses)───────────▲                      │ job failed or is gone
        ▲                                                        ▼
        └──────────────────────resume──────────────────────── Failed

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
from speech_adapters.backends.batch.api import RECORDING, Job, Submission, job_id
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import NAME, BatchOptions
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    dump_progress,
    load_progress,
    save_progress,
)
from speech_adapters.backends.batch.results import JobFailedError, store_job
from speech_adapters.backends.batch.upload import Uploader, diarizes
from speech_adapters.errors import UnavailableError
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["JobRunner"]

_HOUR: Final = 3600
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
        # The final jobs of the last list, by id.  They do not change any more, so one list
        # serves all meetings that end together, instead of one list for each.
        self._final_jobs: dict[str, Job] = {}

    async def step(self, recording: Recording) -> None:
        """Process a recording by one step: submit its job, or ask about the job once."""
        progress = load_progress(recording)
        if progress.stage is not BatchStage.SUBMITTED:
            await self._submit(recording, progress)
        elif time.time() >= recording.next_poll:
            await self._poll(recording, progress)

    async def discard(self, recording: Recording) -> bool:
        """Delete blobs and jobs of a deleted recording.

        Returns:
            Whether all are deleted: the service does not delete a job that is running.
        """
        progress = load_progress(recording)
        urls = {*progress.undeleted, progress.job_url} - {""}
        if progress.stage is BatchStage.SUBMITTING:
            job = await self._find_own_job(recording, progress)
            urls |= {job.url} if job is not None else set()
        # A list, so that all are tried even if one is still running.
        deleted = [await self._client.delete(url) for url in urls]
        await self._uploader.delete(recording, progress)
        return all(deleted)

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
            progress = attrs.evolve(progress, stage=BatchStage.SUBMITTING)
            # A deleted meeting must not be transcribed.
            if not await self._save(recording, progress):
                return
            job = await self._create_job(recording, progress)
        progress = attrs.evolve(
            progress,
            stage=BatchStage.SUBMITTED,
            job_url=job.url,
            submitted_at=time.time(),
            addresses=(),
        )
        await self._save(recording, progress, "submitted to the service")

    async def _create_job(self, recording: Recording, progress: BatchProgress) -> Job:
        request = recording.request
        speakers = request.max_speakers or self._options.max_speakers
        submission = Submission(
            meeting_id=recording.meeting_id,
            recording=_job_tag(recording, progress),
            audio_urls=progress.addresses or await self._uploader.addresses(recording, progress),
            locale=request.language,
            max_speakers=speakers if diarizes(request, self._options) else None,
            words=request.word_timestamps,
            ttl_hours=self._options.ttl_hours,
        )
        try:
            return await self._client.submit(submission)
        except UnavailableError:
            # The answer may have been lost after the service had created the job.
            job = await self._find_own_job(recording, progress)
            if job is None:
                raise
            return job

    async def _find_own_job(self, recording: Recording, progress: BatchProgress) -> Job | None:
        tag = _job_tag(recording, progress)
        jobs = await self._client.find(recording.meeting_id)
        return next((job for job in jobs if job.custom.get(RECORDING) == tag), None)

    async def _poll(self, recording: Recording, progress: BatchProgress) -> None:
        job = await self._query(recording, progress)
        if job is None:
            reason = "The job no longer exists at the service; it was deleted there."
            await self._give_up(recording, progress, reason)
        elif job.final:
            await self._finish(recording, progress, job)
        else:
            await self._wait(recording, progress, job)

    async def _query(self, recording: Recording, progress: BatchProgress) -> Job | None:
        """Return the job now; if several jobs are open, one list is read for all of them."""
        key = job_id(progress.job_url)
        known = self._final_jobs.pop(key, None)
        if known is not None:
            return known
        jobs = await self._store.run(_open_jobs)
        others = {other: job for other, job in jobs.items() if other != recording.id}
        if not others:
            job, pause = await self._client.get(progress.job_url)
            await self._poll_later([recording.id], pause)
            return job
        listed, pause = await self._client.list_all()
        found = {job_id(job.url): job for job in listed}
        self._final_jobs = {
            other: found[other]
            for other in others.values()
            if other in found and found[other].final
        }
        # The next status query of a meeting whose job is final must not be postponed.
        waiting = [other for other, job in others.items() if job not in self._final_jobs]
        await self._poll_later([recording.id, *waiting], pause)
        # A new job may be missing in the list.
        return found.get(key) or (await self._client.get(progress.job_url))[0]

    async def _poll_later(self, recording_ids: list[str], pause: float) -> None:
        after = time.time() + max(self._options.poll_seconds, pause)
        await self._store.run(Store.poll_later, recording_ids, after)

    async def _wait(self, recording: Recording, progress: BatchProgress, job: Job) -> None:
        """Store the step; warn about a job that takes long, and fail one that takes too long."""
        now = time.time()
        progress = attrs.evolve(progress, submitted_at=progress.submitted_at or now)
        age = now - progress.submitted_at
        deadline = self._options.deadline_hours * _HOUR
        if deadline and age > deadline:
            await self._miss_deadline(recording, progress)
            return
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

    async def _miss_deadline(self, recording: Recording, progress: BatchProgress) -> None:
        reason = (
            f"The service has not finished it in {self._options.deadline_hours:g} hours"
            " (deadline_hours). The job was left there, and may still be finished: resume the"
            " meeting to go on waiting."
        )
        # A resumed meeting has the whole time again.
        progress = attrs.evolve(progress, submitted_at=0.0)
        await self._fail(recording, progress, reason)

    async def _finish(self, recording: Recording, progress: BatchProgress, job: Job) -> None:
        notes = recording.provenance_notes
        provenance = attrs.evolve(self._provenance, notes=notes)
        try:
            completed = await store_job(
                self._store, recording.id, self._client, job, recording.meeting_id, provenance
            )
        except JobFailedError as error:
            await self._give_up(recording, progress, str(error))
            return
        if completed:
            await threads.STORE.run(recording.audio_path.unlink, missing_ok=True)
        if not self._options.keep_audio:
            await self._uploader.delete(recording, progress)
            # The deletion of the meeting then needs no storage account.
            await self._save(recording, attrs.evolve(progress, chunks=()))

    async def _give_up(self, recording: Recording, progress: BatchProgress, reason: str) -> None:
        # With a new attempt the job gets another tag, so that a resumed recording does not
        # find the failed job.  The blobs are uploaded again: they may be the reason.
        restart = BatchProgress(chunks=progress.chunks, attempt=progress.attempt + 1)
        await self._fail(recording, restart, reason)

    async def _fail(self, recording: Recording, progress: BatchProgress, reason: str) -> None:
        state = dump_progress(progress)
        await self._store.run(Store.fail, recording.id, reason, backend_state=state)

    async def _save(
        self, recording: Recording, progress: BatchProgress, step: str | None = None
    ) -> bool:
        return await self._store.run(save_progress, recording.id, progress, step)


def _open_jobs(store: Store) -> dict[str, str]:
    """Return the ids of all submitted jobs that are not final here, by recording."""
    progress = {found.id: load_progress(found) for found in store.open_recordings(NAME)}
    return {key: job_id(found.job_url) for key, found in progress.items() if found.job_url}


def _job_tag(recording: Recording, progress: BatchProgress) -> str:
    """Return the tag by which the recording's job of the present attempt is found."""
    return f"{recording.id}.{progress.attempt}" if progress.attempt else recording.id
