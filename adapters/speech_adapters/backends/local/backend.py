"""The local backend: transcribes meetings on this machine, offline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from speech_adapters import threads
from speech_adapters.audio import check_downmix
from speech_adapters.backends.local.enrollment import EnrollmentOrder, run_order
from speech_adapters.backends.local.inline import InlineEngine
from speech_adapters.backends.local.job import (
    Processing,
    TranscriptionJob,
    acquire_worker_slot,
    spawn_detached,
)
from speech_adapters.backends.local.options import (
    NAME,
    languages,
    local_options,
    provenance,
    recognition_model,
    signature_model,
)
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.capabilities import Capabilities, with_usable_signatures
from speech_adapters.config import Settings
from speech_adapters.contract import MeetingRequest, Session
from speech_adapters.enrollment import Enrollment
from speech_adapters.isolated import run_isolated
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import RecordingOwner, TemporaryRecording
from speech_adapters.recording.slots import WAITING
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Recording, Store
from speech_adapters.temporary import create_folder
from speech_adapters.transcript import Provenance

__all__ = ["LocalBackend"]

_AUDIO_FILE: Final = "meeting.pcm"


class LocalBackend(RecordingBackend):
    """Transcribes with the embedded engine; see :class:`speech_adapters.contract.Backend`.

    Recordings are transcribed by other processes: those with live events by one engine process
    for all sessions of the program, the others by workers.  The engine is native code: if it
    crashes, the program continues, and a worker retries a stored meeting.

    A process that is a worker of an executor transcribes recordings itself.

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
        options = local_options(settings)
        self._languages = languages(options)
        self._processing = Processing(options, settings.downmix)
        # Empty for a diarizer that has no embeddings to compare.
        self._signature_model = signature_model(options)
        # Loads nothing yet.
        self._engine = InlineEngine(self._processing)
        # Last: a constructor that raises must leave no object that has to be closed.
        super().__init__(host, NAME)

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do."""
        return Capabilities(
            live=True,
            stored=True,
            max_speakers_hint=True,
            word_timestamps=True,
            languages=self._languages,
            detects_languages=self._processing.options.detects_language,
            identification=bool(self._signature_model),
            signature_model=self._signature_model,
        )

    @property
    def provenance(self) -> Provenance:
        """The engine's packages and their versions."""
        options = self._processing.options
        return provenance(options, recognition_model(options))

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting that is only live; its audio is in a temporary folder."""
        folder = await threads.AUDIO.run(create_folder)
        usable = with_usable_signatures(request, self.capabilities)
        job = TranscriptionJob.create(usable, folder / _AUDIO_FILE, self._processing)
        return LocalSession(job, TemporaryRecording(folder))

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        """Start to record; with live events, the engine process stores the transcript."""
        if not request.mode.live:
            return await super().open_recording(request, recording, owner)
        job = TranscriptionJob.create(
            recording.request,
            recording.audio_path,
            self._processing,
            store=self._host.store.directory,
            store_options=self._host.store.options,
            recording=recording.id,
            take_over_seconds=self._host.settings.take_over_seconds,
        )
        return LocalSession(job, owner)

    async def process(self, recording: Recording) -> None:
        """Put the recording's order into the store, and start a worker if a slot is free.

        Otherwise one of the workers that occupy the slots transcribes it.  In a worker of an
        executor it is transcribed here.

        Raises:
            BackendError: the worker cannot be started.
        """
        if self._host.in_worker:
            await self._transcribe(recording)
            return
        store, order = self._host.store, self._processing.dump()
        if recording.backend_state != order:
            await store.run(Store.update, recording.id, backend_state=order)
        # Only now, see the module worker.
        slot = await threads.STORE.run(acquire_worker_slot, store.directory)
        if slot is not None:
            await threads.STORE.run(slot.release)
            await threads.COMPUTE.run(
                spawn_detached,
                store.directory,
                recording.id,
                log_path(recording),
                store.options.environment,
            )
        elif recording.step != WAITING:
            await store.run(Store.update, recording.id, step=WAITING)

    async def aclose(self) -> None:
        """Free the models of a worker."""
        if self._host.in_worker:
            await threads.COMPUTE.run(self._engine.close)
        await super().aclose()

    async def _transcribe(self, recording: Recording) -> None:
        stopped = threading.Event()
        try:
            await self._host.store.run_long(self._engine.transcribe, recording, stopped)
        finally:
            # If this task is canceled, because the worker ends, the thread goes on until then.
            stopped.set()

    async def enroll(self, files: Sequence[Path]) -> Enrollment:
        """Create the voice signature of the one person who speaks in some WAV files."""
        order = EnrollmentOrder(tuple(files), self._processing)
        return Enrollment.load(await run_isolated(run_order, order.dump()))
