"""The local backend: transcribes meetings on this machine, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from speech_adapters import threads
from speech_adapters.audio import check_downmix
from speech_adapters.backends.local.job import TranscriptionJob, spawn_detached
from speech_adapters.backends.local.options import NAME, local_options, provenance
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import MeetingRequest, Session
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner, TemporaryRecording
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Recording
from speech_adapters.temporary import create_folder
from speech_adapters.transcript import Provenance

__all__ = ["LocalBackend"]

_AUDIO_FILE: Final = "meeting.pcm"


class LocalBackend(RecordingBackend):
    """Transcribes with the embedded engine; see :class:`speech_adapters.contract.Backend`.

    Every recording is transcribed by a worker process.  The engine is native code: if it
    crashes, the program continues, and another worker retries a stored meeting.

    Args:
        settings: the options of this backend, and how channels are mixed down.
        host: the meeting service.

    Raises:
        MissingExtraError: the engine's package is not installed.
        ConfigurationError: an option is wrong.
    """

    offline = True

    def __init__(self, settings: Settings, host: Host) -> None:
        # Checked before any audio is recorded: the worker would find the error afterwards.
        check_downmix(settings.downmix)
        self._options = local_options(settings)
        self._downmix = settings.downmix
        # Last: a constructor that raises must leave no object that has to be closed.
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return Capabilities(
            live=True, stored=True, languages=frozenset({self._options.language.lower()})
        )

    @property
    def provenance(self) -> Provenance:
        """The engine's package and its version."""
        return provenance()

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting that is only live; its audio is in a temporary folder."""
        folder = await threads.AUDIO.run(create_folder)
        job = self._job(request, folder / _AUDIO_FILE, live=True)
        return LocalSession(job, TemporaryRecording(folder))

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start to record; with live events, the session's worker stores the transcript."""
        if not request.mode.live:
            return await super().open_recording(request, recording, owner)
        return LocalSession(self._stored_job(recording, live=True), owner)

    async def process(self, recording: Recording) -> None:
        """Start a worker, which waits until the service releases the recording's lock.

        Raises:
            BackendError: the worker cannot be started.
        """
        job = self._stored_job(recording, live=False)
        await threads.COMPUTE.run(spawn_detached, job, log_path(recording))

    def _stored_job(self, recording: Recording, *, live: bool) -> TranscriptionJob:
        return self._job(
            recording.request,
            recording.audio_path,
            live=live,
            store=self._host.store.directory,
            recording=recording.id,
        )

    def _job(
        self,
        request: MeetingRequest,
        audio: Path,
        *,
        live: bool,
        store: Path | None = None,
        recording: str = "",
    ) -> TranscriptionJob:
        return TranscriptionJob(
            audio=audio,
            pcm=request.audio,
            options=self._options,
            downmix=self._downmix,
            language=request.language,
            diarize=request.differentiate_speakers,
            meeting_id=request.meeting_id,
            live=live,
            store=store,
            recording=recording,
        )
