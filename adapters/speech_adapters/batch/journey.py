"""The way of a recording through the service, from any point where it was left.

Every step is noted in the meeting store before the next, so whoever asks goes on where
another process died::

    (nothing) ──upload──▶ "uploaded" ──note "submitting"──submit──▶ "job" ──poll──▶ final

Between the note "submitting" and the job's address the service may have made a job that
nobody knows of: it is looked for by the recording's id before another is made.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs
from anyio.to_thread import run_sync

from speech_adapters.batch.api import RECORDING, Job, Submission, job_id
from speech_adapters.batch.client import BatchClient
from speech_adapters.batch.options import NAME, BatchOptions
from speech_adapters.batch.storage import Storage
from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError, MeetingBusyError, UnavailableError
from speech_adapters.results import read_result
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript, seconds

__all__ = ["JobFailedError", "Journey", "blob_name", "read_job"]

_LONGEST_SECONDS: Final = 240 * 60
_QUERY: Final = re.compile(r"\?[^\s\"']*")


class Journey:
    """Moves recordings on; all its calls may raise the errors of service and storage."""

    def __init__(
        self,
        store: Store,
        client: BatchClient,
        storage: Storage,
        options: BatchOptions,
        downmix: str,
        origin: Provenance,
    ) -> None:
        self._store = store
        self._client = client
        self._storage = storage
        self._options = options
        self._downmix = downmix
        self._origin = origin

    async def advance(self, recording: Recording) -> None:
        """Move a recording on by one step; does nothing while somebody else does."""
        try:
            hold = self._store.hold_recording(recording.id)
        except MeetingBusyError:
            return
        with hold:
            recording = self._store.get(recording.id)
            if recording.state is not JobState.PROCESSING:
                return
            if "job" in recording.details:
                await self._poll(recording)
            else:
                await self._submit(recording)

    async def _submit(self, recording: Recording) -> None:
        length = seconds(recording.request.audio.ticks(recording.audio_bytes or 0))
        if length > _LONGEST_SECONDS and recording.request.differentiate_speakers:
            self._store.fail(
                recording.id,
                f"The meeting is {length / 60:.0f} minutes long; batch transcription tells"
                " speakers apart in 240 at most. Its audio is kept in"
                f" {recording.audio_path}: split it.",
            )
            return
        job = await self._own_job(recording) if "submitting" in recording.details else None
        if job is None:
            await self._upload(recording)
            self._store.note(recording.id, submitting="yes")
            job = await self._make_job(recording)
        self._store.note(recording.id, job=job.url, files=job.links.files)

    async def _upload(self, recording: Recording) -> None:
        if "uploaded" in recording.details:
            return
        await run_sync(
            self._storage.upload,
            blob_name(recording),
            recording.audio_path,
            recording.audio_bytes or 0,
            recording.request.audio,
            self._downmix,
        )
        self._store.note(recording.id, uploaded="yes")

    async def _make_job(self, recording: Recording) -> Job:
        request = recording.request
        speakers = request.max_speakers or self._options.max_speakers
        submission = Submission(
            meeting_id=recording.meeting_id,
            recording=recording.id,
            audio_url=await run_sync(self._storage.address, blob_name(recording)),
            locale=request.language,
            max_speakers=speakers if request.differentiate_speakers else None,
            words=request.word_timestamps,
            ttl_hours=self._options.ttl_hours,
        )
        try:
            return await self._client.submit(submission)
        except UnavailableError:
            # It may have been made all the same.
            job = await self._own_job(recording)
            if job is None:
                raise
            return job

    async def _own_job(self, recording: Recording) -> Job | None:
        jobs = await self._client.named(recording.meeting_id)
        return next((job for job in jobs if job.custom.get(RECORDING) == recording.id), None)

    async def _poll(self, recording: Recording) -> None:
        if time.time() - float(recording.details.get("polled", 0)) < self._options.poll_seconds:
            return
        job = await self._look(recording)
        if job is None:
            self._store.fail(recording.id, "The service knows the job no more: it was deleted.")
        elif job.final:
            await self._finish(recording, job)

    async def _look(self, recording: Recording) -> Job | None:
        """Ask about this job, or about all at once where several are open."""
        url = recording.details["job"]
        others = [other for other in self._open() if other.id != recording.id]
        if not others:
            self._store.note(recording.id, polled=str(time.time()))
            return await self._client.get(url)
        jobs = {job_id(job.url): job for job in await self._client.every()}
        now = str(time.time())
        for other in (recording, *others):
            known = jobs.get(job_id(other.details["job"]))
            if known is None or not known.final or other.id == recording.id:
                self._store.note(other.id, polled=now)
        return jobs.get(job_id(url)) or await self._client.get(url)

    def _open(self) -> list[Recording]:
        return [
            recording
            for recording in self._store.noting("job")
            if recording.backend == NAME and recording.state is JobState.PROCESSING
        ]

    async def _finish(self, recording: Recording, job: Job) -> None:
        notes = recording.request.notes + recording.notes
        origin = attrs.evolve(self._origin, notes=notes)
        try:
            transcript = await read_job(self._client, job, recording.meeting_id, origin)
        except JobFailedError as error:
            self._store.fail(recording.id, str(error))
            return
        if self._store.complete(recording.id, transcript):
            recording.audio_path.unlink(missing_ok=True)
        if not self._options.keep_audio:
            await run_sync(self._storage.delete, blob_name(recording))


class JobFailedError(BackendError):
    """The service gave up on a job, for the reason in the message."""


async def read_job(
    client: BatchClient, job: Job, meeting_id: str, origin: Provenance
) -> Transcript:
    """Give the transcript of a final job.

    Raises:
        JobFailedError: it failed; the report's reason goes before the job's, which
            often says less.
    """
    files = await client.files(job) if job.links.files else []
    report = await client.report(files)
    # Results can be larger than what should be in memory.
    with TemporaryDirectory(prefix="speech-compat-") as folder:
        path = Path(folder) / "result.json"
        if not report.failure and await client.result(files, path):
            return await run_sync(read_result, path, meeting_id, origin, "The service's result")
    reason = report.failure or job.failure or "the service gave neither result nor reason"
    # A reason may quote the audio's address with its signature.
    raise JobFailedError(f"Batch transcription failed: {_QUERY.sub('?...', reason)}")


def blob_name(recording: Recording) -> str:
    """Give the name of a recording's audio in the container."""
    return f"{recording.id}.wav"
