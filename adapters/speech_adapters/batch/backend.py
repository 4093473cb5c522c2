"""The batch backend: meetings transcribed by Azure's batch transcription."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import anyio.from_thread
from anyio.to_thread import run_sync

from speech_adapters.audio import check_downmix
from speech_adapters.azure import address, credential_of
from speech_adapters.batch.api import Api, Job
from speech_adapters.batch.client import BatchClient
from speech_adapters.batch.journey import JobFailedError, Journey, read_job
from speech_adapters.batch.options import NAME, BatchOptions, batch_options
from speech_adapters.batch.storage import Storage
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
from speech_adapters.http import KeyAuth, Patience, ServiceClient, TokenAuth
from speech_adapters.spooling import SpoolSession, StoreKeeper, take_up
from speech_adapters.store import Recording, Store
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
    capabilities = Capabilities(
        live=False, stored=True, max_speakers_hint=True, word_timestamps=True
    )

    def __init__(self, settings: Settings) -> None:
        check_downmix(settings.downmix)
        self._options = batch_options(settings)
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: tuple[Store, BatchClient, Storage] | None = None

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure batch transcription {self._options.api_version}")

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting; an earlier recording of it that was cut off is taken up first."""
        return await run_sync(self._open_session, request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; moves it on."""
        recording = await run_sync(self._newest, meeting_id)
        if recording is None:
            return _status(meeting_id, await self._remote_job(meeting_id))
        return (await run_sync(self._take_up, meeting_id)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        recording = await run_sync(self._newest, meeting_id)
        if recording is not None:
            return await run_sync(self._store.transcript, recording.id)
        job = await self._remote_job(meeting_id)
        if not job.final:
            raise MeetingBusyError(f"Meeting {meeting_id!r} is not finished yet: ask again later.")
        try:
            return await read_job(self._client, job, meeting_id, self.provenance)
        except JobFailedError as error:
            raise MeetingFailedError(f"Meeting {meeting_id!r} failed: {error}") from None

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting, and its jobs at the service.

        A job that runs cannot be deleted; the service does so by itself after the
        option ``ttl_hours``.
        """
        found = await run_sync(self._kept, meeting_id)
        jobs = await self._client.named(meeting_id)
        if not found and not jobs:
            await run_sync(self._store.newest, meeting_id)  # raises when there never was one
            raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
        for job in jobs:
            await self._client.delete(job.url)
        await run_sync(self._delete, meeting_id, found)

    async def aclose(self) -> None:
        """Close store and connections; the service goes on without it."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            store, client, storage = opened
            await client.aclose()
            await run_sync(storage.close)
            await run_sync(store.close)

    @property
    def _store(self) -> Store:
        return self._open()[0]

    @property
    def _client(self) -> BatchClient:
        return self._open()[1]

    def _open(self) -> tuple[Store, BatchClient, Storage]:
        with self._lock:
            if self._opened is None:
                credential = credential_of(self._options)
                store = Store.open(self._settings.state_dir)
                client = _client(self._options, credential)
                self._opened = (store, client, Storage(self._options, credential))
            return self._opened

    def _open_session(self, request: MeetingRequest) -> Session:
        store = self._store
        hold = store.hold_meeting(request.meeting_id)
        try:
            # Recording does not wait for the network: who asks moves the others on.
            take_up(store, request.meeting_id, lambda _: None)
            recording = store.create(request, NAME)
        except BaseException:
            hold.release()
            raise
        keeper = StoreKeeper(store, recording, hold, live=False, process=self._process)
        return SpoolSession(recording, keeper)

    def _newest(self, meeting_id: str) -> Recording | None:
        with suppress(MeetingNotFoundError):
            return self._store.newest(meeting_id)
        return None

    def _kept(self, meeting_id: str) -> list[Recording]:
        recordings = self._store.recordings(meeting_id)
        return [found for found in recordings if found.state is not JobState.DELETED]

    def _take_up(self, meeting_id: str) -> Recording:
        store = self._store
        recordings = store.recordings(meeting_id)
        if any(recording.state is JobState.UPLOADING for recording in recordings):
            with suppress(MeetingBusyError), store.hold_meeting(meeting_id):
                take_up(store, meeting_id, self._process)
        else:
            for recording in recordings:
                self._process(recording)
        return store.newest(meeting_id)

    def _process(self, recording: Recording) -> None:
        """Move a recording on; called in worker threads of the loop."""
        store, client, storage = self._open()
        journey = Journey(
            store, client, storage, self._options, self._settings.downmix, self.provenance
        )
        if recording.state is JobState.PROCESSING:
            anyio.from_thread.run(journey.advance, recording)

    async def _remote_job(self, meeting_id: str) -> Job:
        jobs = await self._client.named(meeting_id)
        if not jobs:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r}, neither in {self._settings.state_dir} nor"
                " at the service: check the id, the region and the key."
            )
        return jobs[0]

    def _delete(self, meeting_id: str, found: list[Recording]) -> None:
        store, _, storage = self._open()
        with store.hold_meeting(meeting_id):
            for recording in found:
                store.delete(recording.id)
                if "uploaded" in recording.details:
                    storage.delete(f"{recording.id}.wav")


def _status(meeting_id: str, job: Job) -> MeetingStatus:
    states = {"Succeeded": JobState.COMPLETED, "Failed": JobState.FAILED}
    fault = job.properties.error
    reason = f"{fault.code}: {fault.message}".strip(": ") if fault else ""
    return MeetingStatus(meeting_id, states.get(job.status, JobState.PROCESSING), reason)


def _client(options: BatchOptions, credential: Any) -> BatchClient:
    key = options.key.get_secret_value()
    auth = KeyAuth(key) if key else TokenAuth(credential)
    patience = Patience(first=options.retry_seconds)
    return BatchClient(ServiceClient(address(options), auth, patience), Api(options.api_version))
