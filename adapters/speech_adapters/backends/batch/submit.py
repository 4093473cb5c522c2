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

__all__ = [
    "Submitter",
    "find_job",
    "find_tagged",
    "kept_until",
    "plain_submission",
    "recording_id_of",
    "shared_name",
]

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

    async def upload(self, recording: Recording, progress: BatchProgress) -> BatchProgress | None:
        """Upload what is not uploaded yet; ``None`` if the meeting was deleted meanwhile."""
        if progress.stage is BatchStage.RECORDED and not progress.addresses:
            return await self._uploader.upload(recording, progress)
        return progress

    async def submit(self, recording: Recording, progress: BatchProgress) -> None:
        """Submit the job of a recording that is uploaded.

        A refused submission fails the recording; that of a deleted meeting ends early.
        """
        job = None
        if progress.stage is BatchStage.SUBMITTING:
            job = await find_job(self._client, recording, progress)
        if job is None:
            # Before the job exists, so that its deletion ends even if its address is lost.
            progress = attrs.evolve(
                progress,
                stage=BatchStage.SUBMITTING,
                job_until=kept_until(self._options),
                group_key="",
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
        addresses = progress.addresses or await self._uploader.addresses(recording, progress)
        submission = attrs.evolve(
            plain_submission(recording, self._options),
            recording=_job_tag(recording, progress),
            audio_urls=addresses,
            mono=not progress.addresses,
        )
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


def plain_submission(recording: Recording, options: BatchOptions) -> Submission:
    """Return the submission of a recording by itself, without tag and audio."""
    request = recording.request
    limit = speaker_limit(request, options.max_speakers)
    return Submission(
        meeting_id=recording.meeting_id,
        recording="",
        audio_urls=(),
        locale=request.language,
        max_speakers=limit.count if diarizes(request, options) else None,
        words=request.word_timestamps,
        ttl_hours=options.ttl_hours,
        profanity=profanity_mode(request),
        punctuation=punctuation_mode(request, options),
        candidates=candidate_locales(request),
        model=options.model,
    )


def kept_until(options: BatchOptions) -> float:
    """Return the Unix time after which the service has deleted a job that is submitted now."""
    return time.time() + (_LONGEST_JOB_HOURS + options.ttl_hours) * 3600


async def find_job(
    client: BatchClient, recording: Recording, progress: BatchProgress
) -> Job | None:
    """Return the job of the recording's present attempt, if the service has one.

    Raises the errors of :class:`.BatchClient`.
    """
    if progress.submission:
        return await find_tagged(client, shared_name(progress.submission), progress.submission)
    return await find_tagged(client, recording.meeting_id, _job_tag(recording, progress))


async def find_tagged(client: BatchClient, name: str, tag: str) -> Job | None:
    """Return the job of a display name and tag, if the service has one."""
    jobs = await client.find(name)
    return next((job for job in jobs if job.custom.get(RECORDING) == tag), None)


def shared_name(submission: str) -> str:
    """Return the display name of a job that several recordings share."""
    return f"speech-compat {submission}"


def recording_id_of(job: Job) -> str:
    """Return the id of the recording that a job belongs to; empty for another program's job."""
    return job.custom.get(RECORDING, "").partition(".")[0]


def _job_tag(recording: Recording, progress: BatchProgress) -> str:
    """Return the tag of the recording's job: its id, and from the second attempt on its number."""
    return f"{recording.id}.{progress.attempt}" if progress.attempt else recording.id
