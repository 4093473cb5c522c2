"""The engine in this process, for recordings in a worker of an executor.

The executor starts another worker if the engine crashes, so there is no process for it below
the worker.  The models are loaded by the first recording, and shared by all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from speech_adapters.backends.local.attempts import transcribe_recording
from speech_adapters.backends.local.channel import AbandonedError
from speech_adapters.backends.local.job import Processing
from speech_adapters.backends.local.models import Models
from speech_adapters.closeable import Closeable
from speech_adapters.store import Recording, Store

__all__ = ["InlineEngine"]

# The engine checks every two seconds whether to stop; a piece of audio may take longer.
_CLOSE_SECONDS: Final = 20.0


class InlineEngine(Closeable):
    """Transcribes recordings in threads of this process.

    Args:
        processing: how they are transcribed, by the settings of this process.
    """

    def __init__(self, processing: Processing) -> None:
        self._models = Models(processing.options)
        self._engine = processing, self._models
        # Guards the number of recordings that are being transcribed.
        self._changed = threading.Condition()
        self._running = 0

    def transcribe(self, store: Store, recording: Recording, stopped: threading.Event) -> None:
        """Transcribe a recording, which is locked, and store the transcript.

        Args:
            store: the store.
            recording: the recording.
            stopped: ends the attempt soon, with nothing stored, when it is set.
        """

        def check() -> None:
            if stopped.is_set():
                raise AbandonedError

        with self._in_use():
            # A program with other settings may have left its order for a worker process.
            if recording.backend_state or recording.step:
                store.update(recording.id, backend_state="", step="")
            with suppress(AbandonedError):
                transcribe_recording(store, recording, lambda: self._engine, check)

    def close(self) -> None:
        """Free the models, after the recordings that are being transcribed.  Idempotent."""
        with self._changed:
            idle = self._changed.wait_for(lambda: not self._running, _CLOSE_SECONDS)
        # Models that are in use would crash the process; it ends soon.
        if idle:
            self._models.close()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._changed:
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
