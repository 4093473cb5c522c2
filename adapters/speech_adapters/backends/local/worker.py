"""The process that runs the engine: ``python -P -m speech_adapters.backends.local.worker``.

::

    worker live OPTIONS              the live meetings of a program, see engine_server
    worker stored FOLDER RECORDING   the recordings that wait in the store FOLDER

A worker of stored recordings needs no program.  It is started for one recording, and
transcribes all that wait, so that the models are loaded once.  As many of these workers work
at a time as the machine has processors::

    recording waits, its order is in the store ──▶ all slots are occupied ──▶ no worker starts
                                                └▶ a worker occupies a slot
    a worker: transcribe all that wait ──▶ release the slot ──▶ search again ──▶ end

No recording is forgotten: its order is in the store before the slots are tried, and each
worker that occupied one searches the store after it released it.

A crash of the engine ends this process only.  The next status query of the meeting starts
another one.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final

from speech_adapters.backends.local.attempts import MAX_ATTEMPTS, transcribe_recording
from speech_adapters.backends.local.channel import AbandonedError
from speech_adapters.backends.local.completion import clean_if_deleted
from speech_adapters.backends.local.engine_server import serve
from speech_adapters.backends.local.job import Processing, acquire_worker_slot
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import NAME, LocalOptions
from speech_adapters.closeable import Closeable
from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingBusyError
from speech_adapters.recording.workers import log_errors, log_path
from speech_adapters.store import Recording, Store

__all__ = ["MAX_ATTEMPTS", "main"]

# A recording that waits is locked only for an instant, by the program that wrote its order.
_PAUSE_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 30.0


def main(arguments: list[str]) -> int:
    """Do what ``arguments`` state, and return the exit code."""
    if arguments[0] == "live":
        with Models(LocalOptions.model_validate(json.loads(arguments[1]))) as models:
            serve(models, sys.stdin, sys.stdout)
    else:
        with Store.open(Path(arguments[1])) as store, _Worker(store, arguments[2]) as worker:
            worker.run()
    return 0


class _Worker(Closeable):
    """Transcribes the recordings of a store that wait.

    Args:
        store: the store.
        recording: the recording for which this process was started; its log is open.
    """

    def __init__(self, store: Store, recording: str) -> None:
        self._store = store
        self._logged = recording
        # The models for the options of the last recording.
        self._models: Models | None = None

    def run(self) -> None:
        """Transcribe until no recording waits, or all slots are occupied."""
        while self._waiting() and (slot := acquire_worker_slot(self._store.directory)):
            with slot:
                if not self._transcribe_waiting():
                    return

    def close(self) -> None:
        """Release the models."""
        if self._models is not None:
            self._models.close()

    def _waiting(self) -> list[str]:
        """Return the recordings that wait, the oldest first."""
        found = self._store.open_recordings(NAME)
        return [recording.id for recording in reversed(found) if recording.backend_state]

    def _transcribe_waiting(self) -> bool:
        """Transcribe all recordings that wait; return False if one stays locked."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while waiting := self._waiting():
            # All of them before the next search, which reads all that wait.
            tried = [self._try(recording) for recording in waiting]
            if any(tried):
                deadline = time.monotonic() + _PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                return False
            else:
                time.sleep(_PAUSE_SECONDS)
        return True

    def _try(self, recording_id: str) -> bool:
        """Transcribe a recording if it still waits; return False if it is locked."""
        try:
            lock = self._store.lock_recording(recording_id)
        except MeetingBusyError:
            return False
        with lock:
            recording = self._store.get(recording_id)
            if recording.state is JobState.PROCESSING and recording.backend_state:
                self._process(recording)
        return True

    def _process(self, recording: Recording) -> None:
        if recording.id != self._logged:
            log_errors(log_path(recording))
            self._logged = recording.id
        # Its order is removed first: from now on it does not wait for a worker.
        self._store.update(recording.id, backend_state="", step="")
        try:
            with suppress(AbandonedError):
                transcribe_recording(self._store, recording, lambda: self._engine_for(recording))
        except Exception:
            # Counted as an attempt; the recordings that wait are not to suffer from it.
            traceback.print_exc()
        finally:
            clean_if_deleted(self._store, recording.id)

    def _engine_for(self, recording: Recording) -> tuple[Processing, Models]:
        """Return the order of a recording, and the models for it."""
        processing = Processing.load(recording.backend_state)
        # One set at a time: large models of several programs might not fit into the memory.
        if self._models is None or self._models.options != processing.options:
            self.close()
            self._models = Models(processing.options)
        return processing, self._models


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except BaseException:
        traceback.print_exc()
        status = 1
    # At once: the interpreter would take its time to unload the engine, and standard output
    # may be a pipe that is no longer read.
    sys.stderr.flush()
    os._exit(status)
