"""The realtime backend: meetings recognized while they are held."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from speech_adapters import threads
from speech_adapters.audio import check_downmix
from speech_adapters.backends.realtime.completion import complete_async
from speech_adapters.backends.realtime.options import (
    NAME,
    access_of,
    provenance,
    realtime_options,
)
from speech_adapters.backends.realtime.worker import WorkerOrder
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import Session, SessionEvent
from speech_adapters.errors import ConfigurationError
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import LockedRecording, RecordingOwner, TemporaryRecording
from speech_adapters.recording.workers import log_path, spawn
from speech_adapters.request import SETTINGS, MeetingRequest, Mode
from speech_adapters.speech_sdk.feeder import Feeder, RecognizerProtocol
from speech_adapters.speech_sdk.journal import Journal, journal_path
from speech_adapters.speech_sdk.messages import RecognizerMessage
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.speech_sdk.orders import access_fields
from speech_adapters.speech_sdk.session import LiveSession
from speech_adapters.store import Recording, Store
from speech_adapters.temporary import create_folder
from speech_adapters.transcript import Provenance

__all__ = ["RealtimeBackend"]

_AUDIO_FILE: Final = "meeting.pcm"


class RealtimeBackend(RecordingBackend):
    """Recognizes meetings while they are held; see :class:`.contract.Backend`.

    A meeting that was cut off, or is only stored, is recognized by a worker process or by
    the backend that the option ``final`` names.

    Args:
        settings: the options of this backend, and how channels are mixed down.
        host: the meeting service.

    Raises:
        ConfigurationError: an option is wrong or missing.
    """

    def __init__(self, settings: Settings, host: Host) -> None:
        check_downmix(settings.downmix)
        self._settings = settings
        self._options = realtime_options(settings)
        self._access = access_of(self._options, settings)
        # Last: a constructor that raises must leave no object that has to be closed.
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What the service and the SDK can do."""
        return Capabilities(
            live=True,
            stored=True,
            word_timestamps=True,
            phrases=True,
            detects_languages=True,
            # The SDK sends no sign of dictation in this mode.
            settings=frozenset(SETTINGS) - {"dictation"},
        )

    @property
    def provenance(self) -> Provenance:
        """The service and the SDK's version."""
        return provenance()

    def check(self, request: MeetingRequest) -> None:  # noqa: ARG002
        """Check that the recording can be processed if this program dies.  Blocks.

        Raises:
            ConfigurationError: the backend ``final`` cannot be created, or a worker process
                could not sign in.
        """
        if self._options.final != NAME:
            self._host.backend(self._options.final)
        else:
            self._check_worker()

    async def open_session(self, request: MeetingRequest) -> LiveSession:
        """Start a meeting that is only live; its audio is kept until it ends."""
        folder = await threads.AUDIO.run(create_folder)
        audio = folder / _AUDIO_FILE
        make_feeder = partial(self._feeder, request, audio, self._normalizer(request))
        return LiveSession(audio, TemporaryRecording(folder), None, make_feeder, _nothing_left)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start a stored meeting.

        With live events it is recognized at once.  The recording stays locked meanwhile, so
        that a status query starts no worker for the same audio.
        """
        if request.mode is Mode.STORED:
            return await super().open_recording(request, recording, owner)
        lock = await self._host.store.run(Store.lock_recording, recording.id)
        normalizer = self._normalizer(request)
        return LiveSession(
            recording.audio_path,
            LockedRecording(owner, lock),
            Journal(journal_path(recording)),
            partial(self._feeder, request, recording.audio_path, normalizer),
            partial(self._complete, recording, normalizer),
        )

    async def process(self, recording: Recording) -> None:
        """Start a worker process, or assign the recording to the backend ``final``.

        Raises:
            ConfigurationError: a worker process could not sign in.
            AuthenticationError: the program returns no token.
            BackendError: the worker process cannot be started.
        """
        if self._options.final == NAME:
            # Again: the recording may be of a program with another configuration.
            self._check_worker()
            # In a thread: the program's token function may block.
            await threads.TRANSFER.run(self._spawn, recording)
            return
        # The other backend transcribes all of the audio; what was recognized is of no use.
        await self.discard(recording)
        await self._host.store.run(Store.assign, recording.id, self._options.final)

    def _normalizer(self, request: MeetingRequest) -> EventNormalizer:
        return EventNormalizer.of(request, self._options.backfill_seconds)

    def _feeder(
        self,
        request: MeetingRequest,
        audio: Path,
        normalizer: EventNormalizer,
        emit: Callable[[SessionEvent], None],
        backlog: Callable[[], int],
    ) -> Feeder:
        def connect(on_message: Callable[[RecognizerMessage], None]) -> RecognizerProtocol:
            # Imported on the feeder's thread, because it loads the SDK.
            from speech_adapters.speech_sdk.recognizer import connect

            return connect(request, self._access, self._options.pace, on_message)

        return Feeder(
            audio,
            request.audio,
            self._settings.downmix,
            self._options,
            connect,
            normalizer,
            emit,
            backlog,
        )

    async def _complete(self, recording: Recording, normalizer: EventNormalizer) -> bool:
        """Store the transcript, unless the backend ``final`` makes another one."""
        if self._options.final != NAME:
            return False
        return await complete_async(self._host.store, recording, normalizer.emulated)

    def _check_worker(self) -> None:
        if self._access.credential is not None and not self._options.credential:
            raise ConfigurationError(
                "A stored meeting may have to be recognized by a process of its own, which the"
                " program's credential cannot be passed to: set backends.realtime.credential to"
                ' "default", set a key, or choose another backend for it'
                " (backends.realtime.final)."
            )

    def _spawn(self, recording: Recording) -> None:
        command = [sys.executable, "-P", "-m", "speech_adapters.backends.realtime.worker"]
        order = self._order(recording).model_dump_json().encode()
        spawn(
            command, recording.id, log_path(recording), order, self._host.store.options.environment
        )

    def _order(self, recording: Recording) -> WorkerOrder:
        return WorkerOrder(
            state_dir=self._host.store.directory,
            recording=recording.id,
            downmix=self._settings.downmix,
            # JSON holds asterisks in place of a secret; the chosen key is passed as text.
            options=self._options.model_copy(update={"key": SecretStr("")}),
            **access_fields(self._access),
        )


async def _nothing_left() -> bool:
    """Return that a meeting without a transcript is complete after its last event."""
    return True
