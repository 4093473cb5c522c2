"""The batch backend: meetings transcribed by Azure's batch transcription."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import attrs
from anyio import CapacityLimiter

from speech_adapters import threads
from speech_adapters.audio import check_downmix
from speech_adapters.azure.credentials import choose_credentials, storage_credential
from speech_adapters.azure.endpoint import address, service_client
from speech_adapters.azure.speakers import MOST_SPEAKERS
from speech_adapters.backends.batch.addresses import AddressSession, check_addresses
from speech_adapters.backends.batch.api import Api, Job
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.job_runner import JobRunner
from speech_adapters.backends.batch.options import NAME, batch_options, has_storage, need_storage
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    dump_progress,
    has_job,
    load_progress,
)
from speech_adapters.backends.batch.results import JobFailedError, fetch_transcript
from speech_adapters.backends.batch.storage import Storage
from speech_adapters.backends.batch.submit import recording_id_of
from speech_adapters.backends.batch.upload import Uploader
from speech_adapters.capabilities import Capabilities
from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus, Session
from speech_adapters.errors import MeetingBusyError, MeetingFailedError, MeetingNotFoundError
from speech_adapters.extras import need_packages
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["BatchBackend"]

_STATES = {"Succeeded": JobState.COMPLETED, "Failed": JobState.FAILED}
_logger = logging.getLogger("speech_adapters")


@attrs.frozen
class _Connections:
    """The connections to the service and to its storage account.

    Attributes:
        client: the service.
        storage: the container for audio, or ``None`` if the options name no account.
        runner: processes recordings with both.
    """

    client: BatchClient
    storage: Storage | None
    runner: JobRunner


class BatchBackend(RecordingBackend):
    """Uploads recordings and has the service transcribe them.

    A meeting that is not in the store of this machine is looked up at the service, where
    the display name of its job is the meeting's id.

    Args:
        host: settings and store.

    Raises:
        ConfigurationError: an option is wrong or missing.
        MissingExtraError: the option ``flac`` is set, and the package ``av`` is not installed.
    """

    sends_originals = True

    def __init__(self, host: Host) -> None:
        check_downmix(host.settings.downmix)
        self._options = batch_options(host.settings)
        if self._options.flac:
            need_packages("audio", "av")
        # Opened in a worker thread by the first call that needs them: packages are
        # imported, and a finished meeting needs neither network nor credential.
        self._opening = threading.Lock()
        self._connections: _Connections | None = None
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What the service can do."""
        return Capabilities(
            live=False,
            stored=True,
            max_speakers_hint=True,
            word_timestamps=True,
            # Channels that are not mixed down are sent as one mono file each.
            max_channels=1 if self._options.channels == "mix" else None,
            most_speakers=MOST_SPEAKERS,
            addresses=True,
            detects_languages=True,
            settings=frozenset({"profanity", "dictation"}),
        )

    @property
    def provenance(self) -> Provenance:
        """The service and its version."""
        return Provenance(NAME, f"Azure batch transcription {self._options.api_version}")

    def check(self, request: MeetingRequest) -> None:
        """Check the addresses of a request, or that there is a storage account for its audio.

        Raises:
            ConfigurationError: audio is pushed, and no storage account is named.
            AudioError: the addresses cannot be addresses of audio.
        """
        if request.addresses:
            check_addresses(request.addresses)
        else:
            need_storage(self._options)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start to record; audio at addresses only needs to be submitted."""
        if not request.addresses:
            return await super().open_recording(request, recording, owner)
        progress = BatchProgress(addresses=request.addresses)
        await self._host.store.run(_close_without_audio, recording.id, progress)
        return AddressSession(owner)

    async def process(self, recording: Recording) -> None:
        """Upload and submit a recording, or ask the service about its job."""
        await (await self._connect()).runner.step(recording)

    async def refresh(self, recordings: Sequence[Recording]) -> set[str]:
        """Ask the service about the jobs of these recordings, all with one list."""
        return await (await self._connect()).runner.refresh(recordings)

    async def discard(self, recording: Recording) -> float | None:
        """Delete blobs of a completed recording, blobs and jobs of a deleted one, if possible."""
        progress = load_progress(recording)
        if not (progress.chunks or has_job(recording, progress)):
            return None  # so neither a connection nor a credential is needed
        if recording.state is JobState.DELETED:
            # An upload may have written a file after the deletion.
            await super().discard(recording)
        cleanup = (await self._connect()).runner.cleanup
        if recording.state is JobState.COMPLETED:
            await cleanup.discard_audio(recording, progress)
            return None
        discarded = await cleanup.discard(recording)
        return None if discarded else self._options.poll_seconds

    def can_resume(self, recording: Recording) -> bool:
        """Whether there is audio, here, at addresses or in the container, or a job left there."""
        progress = load_progress(recording)
        kept = progress.job_url or progress.addresses or progress.pending
        return bool(kept) or super().can_resume(recording)

    def is_incomplete(self, recording: Recording) -> bool:
        """Whether parts are missing in the transcript whose audio is still in the container."""
        return bool(load_progress(recording).pending)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of the newest job of a meeting.

        Raises:
            MeetingNotFoundError: the service has no job of that display name.
        """
        job, *_ = await self._jobs(meeting_id)
        # All other names are of jobs that are not final.
        state = _STATES.get(job.status, JobState.PROCESSING)
        return MeetingStatus(meeting_id, state, job.failure)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Return the status: a job cannot be retried without the audio of its recording."""
        return await self.status(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of the newest job of a meeting."""
        job, *others = await self._jobs(meeting_id)
        if not job.final:
            raise MeetingBusyError(f"Meeting {meeting_id!r} is not finished yet: ask again later.")
        client = (await self._connect()).client
        try:
            earlier = [other for other in others if _same_recording(job, other)]
            return await fetch_transcript(client, job, meeting_id, self.provenance, earlier)
        except JobFailedError as error:
            # The same error as for a failed meeting in the store.
            raise MeetingFailedError(f"Meeting {meeting_id!r} failed: {error}") from None

    async def delete(self, meeting_id: str) -> None:
        """Delete the jobs of a meeting at the service.

        A running job cannot be deleted.  If its recording is in this store, the job is
        deleted later with it, otherwise by the service after the option ``ttl_hours``.
        """
        client = (await self._connect()).client
        # Jobs of earlier attempts and of other machines too: the meeting is deleted for all.
        for job in await self._jobs(meeting_id):
            if not await client.delete(job.url) and not await self._is_recorded_here(job):
                _logger.warning(
                    "A job of meeting %r is running and cannot be deleted now. The service"
                    " deletes it %d hours after its end; or delete the meeting again then.",
                    meeting_id,
                    self._options.ttl_hours,
                )

    async def aclose(self) -> None:
        """Close the connections; the jobs continue at the service."""
        with self._opening:
            connections, self._connections = self._connections, None
        if connections is not None:
            await connections.client.aclose()
            if connections.storage is not None:
                await connections.storage.aclose()
        await super().aclose()

    async def _connect(self) -> _Connections:
        # The usual case, without a worker thread.
        if self._connections is not None:
            return self._connections
        return await threads.COMPUTE.run(self._open, threads.TRANSFER.limiter)

    def _open(self, limiter: CapacityLimiter) -> _Connections:
        with self._opening:
            if self._connections is None:
                options, settings = self._options, self._host.settings
                credentials = choose_credentials(NAME, options, settings.service)
                service = service_client(address(options), options, credentials, limiter)
                client = BatchClient(service, Api(options.api_version))
                # Audio at addresses of the program needs no storage account.
                storage = None
                if has_storage(options):
                    storage = Storage(options, storage_credential(options, settings.service))
                uploader = Uploader(self._host.store, storage, options, settings.downmix)
                runner = JobRunner(self._host.store, client, uploader, options, self.provenance)
                self._connections = _Connections(client, storage, runner)
            return self._connections

    async def _jobs(self, meeting_id: str) -> list[Job]:
        """Return all jobs of a meeting, the newest first."""
        jobs = await (await self._connect()).client.find(meeting_id)
        if not jobs:
            raise self._unknown(meeting_id)
        return jobs

    async def _is_recorded_here(self, job: Job) -> bool:
        try:
            # Deleted recordings are found too, with their pending cleanup.
            await self._host.store.run(Store.get, recording_id_of(job))
        except MeetingNotFoundError:
            return False
        return True

    def _unknown(self, meeting_id: str) -> MeetingNotFoundError:
        return MeetingNotFoundError(
            f"There is no meeting {meeting_id!r}, neither in {self._host.store.directory} nor at"
            " the service: check the id, the region and the key."
        )


def _same_recording(job: Job, other: Job) -> bool:
    """Return whether another final job may have results of other parts of the same recording."""
    recording = recording_id_of(job)
    return other.final and bool(recording) and recording == recording_id_of(other)


def _close_without_audio(store: Store, recording_id: str, progress: BatchProgress) -> None:
    """Store the addresses, then end the recording: from then on any process may submit it."""
    store.update(recording_id, backend_state=dump_progress(progress))
    store.close_audio(recording_id, 0)
