"""The local backend: meetings on this machine, offline."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from speech_adapters.audio import check_downmix
from speech_adapters.backends.local.job import Job
from speech_adapters.backends.local.launch import spawn_detached
from speech_adapters.backends.local.options import NAME, local_options, origin
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Mode,
    Session,
)
from speech_adapters.meetings import Meetings
from speech_adapters.recording.session import FolderKeeper, SpoolSession, in_hand
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Recording
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["LocalBackend"]

_AUDIO_FILE: Final = "meeting.pcm"


class LocalBackend:
    """See :class:`speech_adapters.contract.Backend`.

    Raises:
        MissingExtraError: the engine's package is not installed.
        ConfigurationError: an option is wrong.
    """

    name = NAME

    def __init__(self, settings: Settings) -> None:
        check_downmix(settings.downmix)
        self._options = local_options(settings)
        self._meetings = Meetings(settings.state_dir, NAME, self._process, at_once=True)
        self._downmix = settings.downmix

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return Capabilities(
            live=True, stored=True, languages=frozenset({self._options.language.lower()})
        )

    @property
    def provenance(self) -> Provenance:
        """The engine's package and its version."""
        return origin()

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting; an earlier recording of it that was cut off is taken up first."""
        return await run_sync(self._open_session, request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; starts processing again where nobody is at it."""
        return (await run_sync(self._meetings.advance, meeting_id)).status()

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Take up a meeting again that has failed."""
        return (await run_sync(self._meetings.resume, meeting_id)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        return await run_sync(self._meetings.transcript, meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting."""
        for recording in await run_sync(self._meetings.delete, meeting_id):
            with suppress(OSError):
                log_path(recording).unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Close the store; processing goes on without it."""
        await run_sync(self._meetings.close)

    def _open_session(self, request: MeetingRequest) -> Session:
        if request.mode is Mode.LIVE:
            folder = Path(tempfile.mkdtemp(prefix="speech-compat-"))
            job = self._job(request, folder / _AUDIO_FILE, live=True)
            return LocalSession(job, FolderKeeper(folder))
        live = request.mode.live
        recording, keeper = self._meetings.begin(request, live=live)
        if not live:
            return SpoolSession(recording.audio_path, keeper)
        return LocalSession(self._stored_job(recording, live=True), keeper)

    def _process(self, recording: Recording) -> None:
        """Start the worker on a recording that waits for one."""
        if recording.state is JobState.PROCESSING and not in_hand(self._meetings.store, recording):
            spawn_detached(self._stored_job(recording), log_path(recording))

    def _stored_job(self, recording: Recording, *, live: bool = False) -> Job:
        return self._job(
            recording.request,
            recording.audio_path,
            live=live,
            store=self._meetings.store.directory,
            recording=recording.id,
        )

    def _job(
        self,
        request: MeetingRequest,
        audio: Path,
        *,
        live: bool = False,
        store: Path | None = None,
        recording: str = "",
    ) -> Job:
        return Job(
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
