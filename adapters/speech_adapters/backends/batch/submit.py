"""Submitting recordings as jobs, each of them once, since each job is billed.

The stages that this module passes, in the diagram of :mod:`.job_runner`::

    RECORDED ──upload──▶ UPLOADED ──▶ SUBMITTING ──submit──▶ SUBMITTED

A process that stops in the stage SUBMITTING may have created a job whose address was never
stored.  The job is found by its tag, the recording's id, before another one is created.
"""

from __future__ import annotations

import time
from typing import Final

import attrs

from speech_adapters.azure.http_errors import is_refusal
from speech_adapters.azure.speakers import speaker_limit
from speech_adapters.azure.text_options import candidate_locales, profanity_mode
from speech_adapters.backends.batch.api import RECORDING, Job, Submission
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import BatchOptions, punctuation_mode
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    save_failure,
    save_progress,
)
from speech_adapters.backends.batch.upload import Uploader, diarizes
from speech_adapters.errors import BackendError, UnavailableError
from speech_adapters.store import AsyncStore, Recording

__all__ = ["Submitter", "find_job", "recording_id_of"]

# Most jobs take less than 6 hours, some 24 (docs/protocol/batch-and-fast-rest.md, 2.4).
_LONGEST_JOB_HOURS: Final = 48


class Submitter:
    """Uploads recordings and submits their jobs.

    All calls may raise the errors of service, storage and store.

    Args:
        store: the meeting store.
        client: the service.
        uploader: the container for audio.
        options: the backend's options.
    """

    def __init__(
        self, store: AsyncStore, client: BatchClient, uploader: Uploader, options: BatchOptions
    ) -> None:
        self._store = store
        self._client = client
        self._uploader = uploader
        self._options = options

    async def submit(self, recording: Recording, progress: BatchProgress) -> None:
        """Upload what is not uploaded yet, and submit the job.

        A refused submission fails the recording; that of a deleted meeting ends early.
        """
        job = None
        if progress.stage is BatchStage.SUBMITTING:
            job = await find_job(self._client, recording, progress)
        elif progress.stage is BatchStage.RECORDED and not progress.addresses:
            uploaded = await self._uploader.upload(recording, progress)
            if uploaded is None:
                return
            progress = uploaded
        if job is None:
            # Before the job exists, so that its deletion ends even if its address is lost.
            kept = (_LONGEST_JOB_HOURS + self._options.ttl_hours) * 3600
            progress = attrs.evolve(
                progress, stage=BatchStage.SUBMITTING, job_until=time.time() + kept
            )
            # A deleted meeting must not be transcribed.
            if not await self._store.run(save_progress, recording.id, progress):
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
        await self._store.run(save_progress, recording.id, progress, "submitted to the service")

    async def _create_job(self, recording: Recording, progress: BatchProgress) -> Job | None:
        """Create the job; ``None`` if the service refuses it, which fails the recording."""
        submission = await self._submission(recording, progress)
        try:
            return await self._client.submit(submission)
        except UnavailableError:
            # The answer may have been lost after the service had created the job.
            job = await find_job(self._client, recording, progress)
            if job is None:
                raise
            return job
        except BackendError as error:
            if not is_refusal(error):
                raise
            await self._refuse(recording, progress, error)
            return None

    async def _submission(self, recording: Recording, progress: BatchProgress) -> Submission:
        request = recording.request
        limit = speaker_limit(request, self._options.max_speakers)
        return Submission(
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
        await self._store.run(save_failure, recording.id, progress.restarted_clock(), str(error))


async def find_job(
    client: BatchClient, recording: Recording, progress: BatchProgress
) -> Job | None:
    """Return the job of the recording's present attempt, if the service has one.

    Raises the errors of :class:`.BatchClient`.
    """
    tag = _job_tag(recording, progress)
    jobs = await client.find(recording.meeting_id)
    return next((job for job in jobs if job.custom.get(RECORDING) == tag), None)


def recording_id_of(job: Job) -> str:
    """Return the id of the recording that a job belongs to; empty for another program's job."""
    return job.custom.get(RECORDING, "").partition(".")[0]


def _job_tag(recording: Recording, progress: BatchProgress) -> str:
    """Return the tag of the recording's job: its id, and from the second attempt on its number."""
    return f"{recording.id}.{progress.attempt}" if progress.attempt else recording.id
