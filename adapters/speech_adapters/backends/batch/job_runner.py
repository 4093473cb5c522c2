"""The way of a recording through the service, from any point where it was left.

Every step is noted in the meeting store before the next, so whoever asks goes on where
another process died::

    (nothing) ──upload──▶ "uploaded" ──note "submitting"──submit──▶ "job" ──poll──▶ final

Between the note "submitting" and the job's address the service may have made a job that
nobody knows of: it is looked for by the recording's id before another is made.
"""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from typing import Final

import attrs
from anyio.to_thread import run_sync

from speech_adapters.backends.batch.api import RECORDING, Job, Submission, job_id
from speech_adapters.backends.batch.chunks import Part, part_name, parts_of
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import NAME, BatchOptions
from speech_adapters.backends.batch.results import JobFailedError, read_job
from speech_adapters.backends.batch.storage import Storage
from speech_adapters.contract import JobState, MeetingRequest
from speech_adapters.errors import MeetingBusyError, UnavailableError
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["ADDRESSES", "Journey", "blob_names", "keeps_apart"]

# The detail that holds the addresses of audio that is not uploaded from here.
ADDRESSES: Final = "addresses"
# Limits of one audio file, the length with diarization (docs/protocol/batch-and-fast-rest.md, 2.5).
_LONGEST_SECONDS: Final = 240 * 60
_LARGEST_BYTES: Final = 1_000_000_000
_HOUR: Final = 3600
_STEP_SECONDS: Final = 2.0
_FORGOTTEN: Final = {
    "job": "",
    "files": "",
    "submitting": "",
    "uploaded": "",
    "sent": "",
    "since": "",
}
_logger = logging.getLogger("speech_adapters")


class Journey:
    """Moves recordings on; all its calls may raise the errors of service and storage."""

    def __init__(
        self,
        store: Store,
        client: BatchClient,
        storage: Storage | None,
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
            if recording.details.get("job"):
                await self._poll(recording)
            else:
                await self._submit(recording)

    async def _submit(self, recording: Recording) -> None:
        job = await self._own_job(recording) if recording.details.get("submitting") else None
        if job is None:
            await run_sync(self._upload, recording)
            self._store.note(recording.id, submitting="yes")
            job = await self._make_job(recording)
        now = str(time.time())
        # The addresses may be signed, and are not needed any more.
        done = {ADDRESSES: ""} if recording.details.get(ADDRESSES) else {}
        self._store.note(
            recording.id, job=job.url, files=job.links.files, since=now, step="sent", **done
        )

    def _upload(self, recording: Recording) -> None:
        if recording.details.get("uploaded") or recording.details.get(ADDRESSES):
            return
        parts = self._parts(recording)
        sent = int(recording.details.get("sent") or 0)
        meter = _Meter(self._store, recording.id)
        for number, part in enumerate(parts[sent:], sent):
            self._to_storage().upload(
                part_name(recording.id, part, recording.request.audio),
                recording.audio_path,
                part,
                recording.request.audio,
                self._downmix,
                partial(meter, number, len(parts)),
            )
            self._store.note(recording.id, sent=str(number + 1))
        self._store.note(recording.id, uploaded="yes")

    def _to_storage(self) -> Storage:
        assert self._storage is not None, "the options of the storage are checked before"
        return self._storage

    def _parts(self, recording: Recording) -> list[Part]:
        """Cut the recording, or tell how it was cut before: an upload may be under way."""
        noted = recording.details.get("parts")
        if noted:
            return [Part(*values) for values in json.loads(noted)]
        request = recording.request
        pcm = request.audio
        longest = _LARGEST_BYTES // 2
        if self._diarizes(request):
            longest = min(longest, _LONGEST_SECONDS * pcm.sample_rate)
        parts = parts_of(
            recording.audio_path,
            (recording.audio_bytes or 0) // pcm.frame_bytes,
            pcm,
            longest=longest,
            policy=self._downmix,
            by_channel=keeps_apart(request, self._options),
        )
        self._store.note(recording.id, parts=json.dumps([attrs.astuple(part) for part in parts]))
        return parts

    async def _make_job(self, recording: Recording) -> Job:
        request = recording.request
        speakers = request.max_speakers or self._options.max_speakers
        submission = Submission(
            meeting_id=recording.meeting_id,
            recording=_own_mark(recording),
            audio_urls=await run_sync(self._addresses, recording),
            locale=request.language,
            max_speakers=speakers if self._diarizes(request) else None,
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

    def _diarizes(self, request: MeetingRequest) -> bool:
        """Whether the service tells speakers apart; not where a channel is a speaker."""
        by_channel = keeps_apart(request, self._options) and self._options.channels == "speakers"
        return request.differentiate_speakers and not by_channel

    def _addresses(self, recording: Recording) -> tuple[str, ...]:
        given = recording.details.get(ADDRESSES)
        if given:
            return tuple(json.loads(given))
        fresh = self._store.get(recording.id)  # with the parts noted
        return tuple(self._to_storage().address(name) for name in blob_names(fresh))

    async def _own_job(self, recording: Recording) -> Job | None:
        jobs = await self._client.named(recording.meeting_id)
        own = _own_mark(recording)
        return next((job for job in jobs if job.custom.get(RECORDING) == own), None)

    async def _poll(self, recording: Recording) -> None:
        if time.time() < float(recording.details.get("ask_after", 0)):
            return
        job = await self._look(recording)
        if job is None:
            self._give_up(recording, "The service knows the job no more: it was deleted.")
        elif job.final:
            await self._finish(recording, job)
        else:
            self._wait(recording, job)

    async def _look(self, recording: Recording) -> Job | None:
        """Ask about this job, or about all at once where several are open."""
        url = recording.details["job"]
        others = [other for other in self._open() if other.id != recording.id]
        if not others:
            job, pause = await self._client.get(url)
            self._ask_later(recording, pause)
            return job
        found, pause = await self._client.every()
        jobs = {job_id(job.url): job for job in found}
        for other in (recording, *others):
            known = jobs.get(job_id(other.details["job"]))
            if known is None or not known.final or other.id == recording.id:
                self._ask_later(other, pause)
        return jobs.get(job_id(url)) or (await self._client.get(url))[0]

    def _ask_later(self, recording: Recording, pause: float) -> None:
        after = time.time() + max(self._options.poll_seconds, pause)
        self._store.note(recording.id, ask_after=str(after))

    def _open(self) -> list[Recording]:
        return [
            recording
            for recording in self._store.noting("job")
            if recording.backend == NAME and recording.state is JobState.PROCESSING
        ]

    def _wait(self, recording: Recording, job: Job) -> None:
        """Say how it stands; warn of a job that takes long, and end one that takes too long."""
        age = time.time() - float(recording.details.get("since") or time.time())
        doing = "being transcribed" if job.status == "Running" else "waiting in the queue"
        hours = f"{age / _HOUR:.1f} h" if age > _HOUR else f"{age / 60:.0f} min"
        self._store.note(recording.id, step=f"{doing} at the service for {hours}")
        deadline = self._options.deadline_hours
        if deadline and age > deadline * _HOUR:
            self._store.note(recording.id, since="")
            self._store.fail(
                recording.id,
                f"The service has not finished it in {deadline:g} hours (deadline_hours). The job"
                " was left there, and may still be finished: resume the meeting to go on waiting.",
            )
        elif age > self._options.warn_hours * _HOUR and not recording.details.get("warned"):
            self._store.note(recording.id, warned="yes")
            _logger.warning(
                "Meeting %r is %s at the service for %s; most take less than 6 h, some 24 h.",
                recording.meeting_id,
                doing,
                hours,
            )

    async def _finish(self, recording: Recording, job: Job) -> None:
        notes = recording.request.notes + recording.notes
        origin = attrs.evolve(self._origin, notes=notes)
        try:
            transcript = await read_job(self._client, job, recording.meeting_id, origin)
        except JobFailedError as error:
            self._give_up(recording, str(error))
            return
        if self._store.complete(recording.id, transcript):
            recording.audio_path.unlink(missing_ok=True)
        if not self._options.keep_audio:
            for name in blob_names(recording):
                await run_sync(self._to_storage().delete, name)

    def _give_up(self, recording: Recording, reason: str) -> None:
        """End it, so that it begins anew with a job of its own when it is resumed."""
        again = str(int(recording.details.get("again") or 0) + 1)
        self._store.note(recording.id, again=again, **_FORGOTTEN)
        self._store.fail(recording.id, reason)


class _Meter:
    """Notes how far an upload has come, every few seconds."""

    def __init__(self, store: Store, recording_id: str) -> None:
        self._store = store
        self._id = recording_id
        self._noted = 0.0

    def __call__(self, number: int, parts: int, share: float) -> None:
        """Part ``number`` of so many ``parts`` is there to a ``share`` of 0 to 1."""
        if time.monotonic() - self._noted >= _STEP_SECONDS:
            self._noted = time.monotonic()
            self._store.note(self._id, step=f"uploading, {(number + share) / parts:.0%}")


def blob_names(recording: Recording) -> tuple[str, ...]:
    """Give the names of a recording's audio in the container; none where it is elsewhere."""
    parts = json.loads(recording.details.get("parts") or "[]")
    pcm = recording.request.audio
    return tuple(part_name(recording.id, Part(*values), pcm) for values in parts)


def keeps_apart(request: MeetingRequest, options: BatchOptions) -> bool:
    """Whether a meeting's channels are transcribed each by itself."""
    several = request.audio.channels > 1 and request.differentiate_speakers
    return several and options.channels != "mix"


def _own_mark(recording: Recording) -> str:
    """Give what marks the job of a recording, and of its present attempt, as its own."""
    again = recording.details.get("again")
    return f"{recording.id}.{again}" if again else recording.id
