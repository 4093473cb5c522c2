"""The realtime backend: meetings recognised while they are held."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import anyio.from_thread
from anyio.to_thread import run_sync
from pydantic import SecretStr

from speech_adapters.audio import check_downmix
from speech_adapters.backends.realtime.feeder import Driver
from speech_adapters.backends.realtime.journal import Journal, journal_path
from speech_adapters.backends.realtime.normalizer import Narrator
from speech_adapters.backends.realtime.options import NAME, access_of, realtime_options
from speech_adapters.backends.realtime.origin import origin
from speech_adapters.backends.realtime.session import RealtimeSession
from speech_adapters.backends.realtime.worker import Order, finish
from speech_adapters.config import Settings
from speech_adapters.contract import (
    SETTINGS,
    Backend,
    Capabilities,
    JobState,
    MeetingRequest,
    MeetingStatus,
    Mode,
    Session,
    SessionEvent,
)
from speech_adapters.errors import ConfigurationError
from speech_adapters.meetings import Meetings
from speech_adapters.recording.session import (
    FolderKeeper,
    Keeper,
    SpoolSession,
    StoreKeeper,
    in_hand,
)
from speech_adapters.recording.workers import log_path, spawn
from speech_adapters.registry import create_backend
from speech_adapters.store import Hold, Recording
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["RealtimeBackend"]

_AUDIO_FILE: Final = "meeting.pcm"


class RealtimeBackend:
    """See :class:`speech_adapters.contract.Backend`.

    Raises:
        ConfigurationError: an option is wrong or missing.
    """

    name = NAME
    capabilities = Capabilities(
        live=True,
        stored=True,
        word_timestamps=True,
        phrases=True,
        detects_languages=True,
        settings=frozenset(SETTINGS),
    )

    def __init__(self, settings: Settings) -> None:
        check_downmix(settings.downmix)
        self._settings = settings
        self._options = realtime_options(settings)
        self._access = access_of(self._options, settings)
        self._meetings = Meetings(settings.state_dir, NAME, self._process)
        self._final: Backend | None = None

    @property
    def provenance(self) -> Provenance:
        """The service and the SDK's version."""
        return origin()

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting.

        Raises:
            ConfigurationError: the backend that is to transcribe a stored meeting cannot be
                had, or its worker could not sign in.
        """
        if request.mode.stored:
            self._check_final()
        return await run_sync(self._open_session, request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of a meeting; has it recognised where nobody is at it."""
        newest = await run_sync(self._meetings.newest, meeting_id)
        if newest is None or newest.backend == NAME:
            newest = await run_sync(self._meetings.advance, meeting_id)
        if newest.backend == NAME:
            return newest.status()
        return await self._other(newest.backend).status(meeting_id)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Take up a meeting again that has failed."""
        other = await self._owner(meeting_id)
        if other is not None:
            return await other.resume(meeting_id)
        return (await run_sync(self._meetings.resume, meeting_id)).status()

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of a meeting."""
        return await run_sync(self._meetings.transcript, meeting_id)

    async def delete(self, meeting_id: str) -> None:
        """Delete all recordings of a meeting."""
        other = await self._owner(meeting_id)
        if other is not None:
            await other.delete(meeting_id)
            return
        for recording in await run_sync(self._meetings.delete, meeting_id):
            with suppress(OSError):
                log_path(recording).unlink(missing_ok=True)
                journal_path(recording).unlink(missing_ok=True)

    async def aclose(self) -> None:
        """Close store and connections; workers go on."""
        final, self._final = self._final, None
        if final is not None:
            await final.aclose()
        await run_sync(self._meetings.close)

    def _open_session(self, request: MeetingRequest) -> Session:
        if request.mode is Mode.LIVE:
            folder = Path(tempfile.mkdtemp(prefix="speech-compat-"))
            audio = folder / _AUDIO_FILE
            narrator = Narrator.of(request, self._options.backfill_seconds)
            return RealtimeSession(
                audio,
                FolderKeeper(folder),
                None,
                partial(self._driver, request, audio, narrator),
                lambda: True,
            )
        recording, keeper = self._meetings.begin(request, live=request.mode.live)
        if request.mode is Mode.STORED:
            return SpoolSession(recording.audio_path, keeper)
        return self._open_both(recording, keeper)

    def _open_both(self, recording: Recording, keeper: StoreKeeper) -> Session:
        """Recognise live; the hold keeps others from recognising the same meanwhile."""
        store, request = self._meetings.store, recording.request
        hold = store.hold_recording(recording.id)
        narrator = Narrator.of(request, self._options.backfill_seconds)

        def complete() -> bool:
            if self._options.final != NAME:
                return False
            return finish(store, store.get(recording.id), narrator)

        return RealtimeSession(
            recording.audio_path,
            _Holding(keeper, hold),
            Journal(journal_path(recording)),
            partial(self._driver, request, recording.audio_path, narrator),
            complete,
        )

    def _driver(
        self,
        request: MeetingRequest,
        audio: Path,
        narrator: Narrator,
        tell: Callable[[SessionEvent], None],
        backlog: Callable[[], int],
    ) -> Driver:
        from speech_adapters.backends.realtime.recognizer import connect

        return Driver(
            audio,
            request.audio,
            self._settings.downmix,
            self._options,
            lambda told: connect(request, self._access, self._options.pace, told),
            narrator,
            tell,
            backlog,
        )

    def _process(self, recording: Recording) -> None:
        """Give a recording to whom it is for; called in worker threads of the loop."""
        store = self._meetings.store
        if recording.state is not JobState.PROCESSING or in_hand(store, recording):
            return
        if self._options.final == NAME:
            told = self._order(recording).model_dump_json().encode()
            command = [sys.executable, "-P", "-m", "speech_adapters.backends.realtime.worker"]
            spawn(command, recording.id, log_path(recording), told)
            return
        store.assign(recording.id, self._options.final)
        journal_path(recording).unlink(missing_ok=True)
        anyio.from_thread.run(self._other(self._options.final).status, recording.meeting_id)

    def _order(self, recording: Recording) -> Order:
        access = self._access
        return Order(
            state_dir=self._meetings.store.directory,
            recording=recording.id,
            downmix=self._settings.downmix,
            options=self._options.model_copy(update={"key": SecretStr("")}),
            region=access.region,
            endpoint=access.endpoint,
            key=access.key,
            token=str(access.token()) if access.token is not None else "",
            resource_id=access.resource_id,
            default_credential=bool(self._options.credential),
        )

    def _check_final(self) -> None:
        if self._options.final != NAME:
            self._other(self._options.final)
        elif self._access.credential is not None and not self._options.credential:
            raise ConfigurationError(
                "A stored meeting may have to be recognised by a process of its own, which the"
                " program's credential cannot be given to: set backends.realtime.credential to"
                ' "default" or give a key, or let another backend do it (backends.realtime.final).'
            )

    async def _owner(self, meeting_id: str) -> Backend | None:
        """Give the backend that a meeting was given to, or ``None`` where it is this one's."""
        newest = await run_sync(self._meetings.newest, meeting_id)
        if newest is None or newest.backend == NAME:
            return None
        return self._other(newest.backend)

    def _other(self, name: str) -> Backend:
        if self._final is None or self._final.name != name:
            self._final = create_backend(self._settings, name)
        return self._final


class _Holding:
    """A keeper that lets go of the recording before its meeting."""

    def __init__(self, keeper: Keeper, hold: Hold) -> None:
        self._keeper = keeper
        self._hold = hold

    def hand_over(self, size: int) -> None:
        """The audio has ended."""
        self._keeper.hand_over(size)

    def release(self, served: bool) -> None:
        """Let others recognise what was left undone."""
        self._hold.release()
        self._keeper.release(served)
