"""The batch backend: meetings transcribed by Azure's batch transcription."""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress

import anyio.from_thread
from anyio.to_thread import run_sync

from speech_adapters.audio import check_downmix
from speech_adapters.azure.endpoint import MOST_SPEAKERS, credential_of, service_client
from speech_adapters.backends.batch.addresses import AddressSession, check_addresses
from speech_adapters.backends.batch.api import RECORDING, Api, Job
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.job_runner import ADDRESSES, Journey, blob_names, keeps_apart
from speech_adapters.backends.batch.options import NAME, batch_options, has_storage, need_storage
from speech_adapters.backends.batch.results import JobFailedError, read_job
from speech_adapters.backends.batch.storage import Storage
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Session,
)
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
)
from speech_adapters.meetings import Meetings
from speech_adapters.store import Recording
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["BatchBackend"]


class BatchBackend:
    """See :class:`speech_adapters.contract.Backend`.

    A meeting that is not in the store of this machine is looked for at the service,
    by its id.

    Raises:
        ConfigurationError: an option is wrong or missing.
    """

    name = NAME

    def __init__(self, settings: Settings) -> None:
        check_downmix(settings.downmix)
        self._options = batch_options(settings)
        self._settings = settings
        self._meetings = Meetings(settings.state_dir, NAME, self._process)
        self._lock = threading.Lock()
        self._opened: tuple[BatchClient, Storage | None] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do."""
        return Capabilities(
            live=False,
            stored=True,
            max_speakers_hint=True,
            word_timestamps=True,
            max_channels=1 if self._options.channels == "mix" else None,
            most_speakers=MOST_SPEAKERS,
            addresses=True,
        )

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure batch transcription {self._options.api_version}")

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting; an earlier recording of it that was cut off is ended first.

        Raises:
            ConfigurationError: there is no storage account for audio that is pushed.
            AudioError: the addresses are none.
        """
        if request.addresses:
            check_addresses(request.addresses)
            return await run_sync(self._open_addresses, request)
        self.need_storage()
        return await run_sync(self._meetings.record, request)

    def need_storage(self) -> None:
        """Check that there is a storage account for audio.

        Raises:
            ConfigurationError: none is named.
        """
        need_storage(self._options)

    def keeps_apart(self, request: MeetingRequest) -> bool:
        """Whether a meeting's channels are transcribed each by itself."""
        return keeps_apart(request, self._options)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; moves it on."""
        await self._delete_later()
        if await run_sync(self._meetings.newest, meeting_id) is None:
            return _status(meeting_id, await self._remote_job(meeting_id))
        return (await run_sync(self._meetings.advance, meeting_id)).status()

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Take up a meeting again that has failed."""
        if await run_sync(self._meetings.newest, meeting_id) is None:
            return await self.status(meeting_id)
        return (await run_sync(self._meetings.resume, meeting_id)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        if await run_sync(self._meetings.newest, meeting_id) is not None:
            return await run_sync(self._meetings.transcript, meeting_id)
        job = await self._remote_job(meeting_id)
        if not job.final:
            raise MeetingBusyError(f"Meeting {meeting_id!r} is not finished yet: ask again later.")
        try:
            return await read_job(self._client, job, meeting_id, self.provenance)
        except JobFailedError as error:
            raise MeetingFailedError(f"Meeting {meeting_id!r} failed: {error}") from None

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting, and its jobs at the service.

        A job that runs cannot be deleted: that is done later, when somebody asks about
        any meeting, or by the service itself after the option ``ttl_hours``.
        """
        jobs = await self._client.named(meeting_id)
        if not jobs or await run_sync(self._meetings.newest, meeting_id) is not None:
            await run_sync(self._delete, meeting_id, bool(jobs))
        for job in jobs:
            if not await self._client.delete(job.url) and RECORDING in job.custom:
                await run_sync(self._note_undeleted, job.custom[RECORDING], job.url)

    async def aclose(self) -> None:
        """Close store and connections; the service goes on without it."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            client, storage = opened
            await client.aclose()
            if storage is not None:
                await run_sync(storage.close)
        await run_sync(self._meetings.close)

    @property
    def _client(self) -> BatchClient:
        return self._open()[0]

    def _open(self) -> tuple[BatchClient, Storage | None]:
        with self._lock:
            if self._opened is None:
                credential = credential_of(self._options, self._settings.service)
                service = service_client(self._options, credential)
                client = BatchClient(service, Api(self._options.api_version))
                there = has_storage(self._options)
                self._opened = (client, Storage(self._options, credential) if there else None)
            return self._opened

    def _open_addresses(self, request: MeetingRequest) -> Session:
        recording, keeper = self._meetings.begin(request)
        store = self._meetings.store
        store.note(recording.id, **{ADDRESSES: json.dumps(request.addresses)})
        store.close_audio(recording.id, 0)
        return AddressSession(keeper)

    def _process(self, recording: Recording) -> None:
        """Move a recording on; called in worker threads of the loop."""
        if recording.state is JobState.PROCESSING:
            journey = Journey(
                self._meetings.store,
                *self._open(),
                self._options,
                self._settings.downmix,
                self.provenance,
            )
            anyio.from_thread.run(journey.advance, recording)

    def _note_undeleted(self, recording_id: str, url: str) -> None:
        with suppress(MeetingNotFoundError):  # recorded on another machine
            after = str(time.time() + self._options.poll_seconds)
            self._meetings.store.note(recording_id, undeleted=url, ask_after=after)

    async def _delete_later(self) -> None:
        """Delete the jobs that could not be deleted while they ran."""
        store = await run_sync(lambda: self._meetings.store)
        for recording in await run_sync(store.noting, "undeleted"):
            url = recording.details["undeleted"]
            if time.time() >= float(recording.details.get("ask_after", 0)):
                done = await self._client.delete(url)
                await run_sync(self._note_undeleted, recording.id, "" if done else url)

    async def _remote_job(self, meeting_id: str) -> Job:
        jobs = await self._client.named(meeting_id)
        if not jobs:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r}, neither in {self._settings.state_dir} nor"
                " at the service: check the id, the region and the key."
            )
        return jobs[0]

    def _delete(self, meeting_id: str, elsewhere: bool) -> None:
        """Delete what is here; where there is something elsewhere too, nothing here will do."""
        try:
            found = self._meetings.delete(meeting_id)
        except MeetingNotFoundError:
            if not elsewhere:
                raise
            return
        for recording in found:
            storage = self._open()[1]
            for name in blob_names(recording):
                if storage is not None:
                    storage.delete(name)


def _status(meeting_id: str, job: Job) -> MeetingStatus:
    states = {"Succeeded": JobState.COMPLETED, "Failed": JobState.FAILED}
    return MeetingStatus(meeting_id, states.get(job.status, JobState.PROCESSING), job.failure)
