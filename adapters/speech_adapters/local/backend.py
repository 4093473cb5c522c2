"""The local backend: meetings on this machine, offline."""

from __future__ import annotations

import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from anyio.to_thread import run_sync

from speech_adapters.audio import check_downmix
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Mode,
    Session,
)
from speech_adapters.errors import MeetingBusyError, MeetingNotFoundError
from speech_adapters.local.job import Job
from speech_adapters.local.launch import log_path, spawn_detached
from speech_adapters.local.options import NAME, local_options, origin
from speech_adapters.local.session import FolderKeeper, LocalSession
from speech_adapters.spooling import SpoolSession, StoreKeeper, in_hand, take_up
from speech_adapters.store import Recording, Store
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
        self._state_dir = settings.state_dir
        self._downmix = settings.downmix
        self._lock = threading.Lock()
        self._opened: Store | None = None

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
        return await run_sync(self._status, meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        return await run_sync(self._transcript, meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting."""
        await run_sync(self._delete, meeting_id)

    async def aclose(self) -> None:
        """Close the store; processing goes on without it."""
        with self._lock:
            store, self._opened = self._opened, None
        if store is not None:
            await run_sync(store.close)

    def _store(self) -> Store:
        with self._lock:
            if self._opened is None:
                self._opened = Store.open(self._state_dir)
            return self._opened

    def _open_session(self, request: MeetingRequest) -> Session:
        if request.mode is Mode.LIVE:
            folder = Path(tempfile.mkdtemp(prefix="speech-compat-"))
            job = self._job(request, folder / _AUDIO_FILE, live=True)
            return LocalSession(job, FolderKeeper(folder))
        store = self._store()
        hold = store.hold_meeting(request.meeting_id)
        try:
            take_up(store, request.meeting_id, self._process)
            recording = store.create(request, NAME)
        except BaseException:
            hold.release()
            raise
        live = request.mode.live
        keeper = StoreKeeper(store, recording, hold, live, self._process)
        if not live:
            return SpoolSession(recording, keeper)
        return LocalSession(self._stored_job(store, recording, live=True), keeper)

    def _status(self, meeting_id: str) -> MeetingStatus:
        store = self._store()
        recordings = store.recordings(meeting_id)
        if any(recording.state is JobState.UPLOADING for recording in recordings):
            with suppress(MeetingBusyError), store.hold_meeting(meeting_id):
                take_up(store, meeting_id, self._process)
        else:
            for recording in recordings:
                self._process(recording)
        return store.newest(meeting_id).status()

    def _transcript(self, meeting_id: str) -> Transcript:
        store = self._store()
        return store.transcript(store.newest(meeting_id).id)

    def _delete(self, meeting_id: str) -> None:
        store = self._store()
        found = [r for r in store.recordings(meeting_id) if r.state is not JobState.DELETED]
        if not found:
            store.newest(meeting_id)  # raises when there never was one
            raise MeetingNotFoundError(f"Meeting {meeting_id!r} was deleted already.")
        with store.hold_meeting(meeting_id):
            for recording in found:
                store.delete(recording.id)
                with suppress(OSError):
                    log_path(recording).unlink(missing_ok=True)

    def _process(self, recording: Recording) -> None:
        """Start the worker on a recording that waits for one."""
        store = self._store()
        if recording.state is JobState.PROCESSING and not in_hand(store, recording):
            spawn_detached(self._stored_job(store, recording), log_path(recording))

    def _stored_job(self, store: Store, recording: Recording, *, live: bool = False) -> Job:
        return self._job(
            recording.request,
            recording.audio_path,
            live=live,
            store=store.directory,
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
