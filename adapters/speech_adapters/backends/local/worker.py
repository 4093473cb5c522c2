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

from speech_adapters.backends.local import stored
from speech_adapters.backends.local.channel import AbandonedError
from speech_adapters.backends.local.completion import check_wanted, clean_if_deleted, complete
from speech_adapters.backends.local.engine_server import serve
from speech_adapters.backends.local.job import (
    Processing,
    TranscriptionJob,
    acquire_worker_slot,
)
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import NAME, LocalOptions
from speech_adapters.backends.local.pulse import ignore
from speech_adapters.closeable import Closeable
from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingBusyError, SpeechError
from speech_adapters.recording.workers import log_errors, log_path
from speech_adapters.store import Recording, Store

__all__ = ["MAX_ATTEMPTS", "main"]

# An engine that dies this often on a recording will die again: the meeting fails.
MAX_ATTEMPTS: Final = 3
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
                self._transcribe(recording)
        except Exception:
            # Counted as an attempt; the recordings that wait are not to suffer from it.
            traceback.print_exc()
        finally:
            clean_if_deleted(self._store, recording.id)

    def _transcribe(self, recording: Recording) -> None:
        store = self._store
        # Counted before the engine starts: one that crashes leaves no time to count.
        if store.begin_attempt(recording.id) > MAX_ATTEMPTS:
            store.fail(
                recording.id,
                f"The speech engine died {MAX_ATTEMPTS} times on this recording. Its audio is"
                f" kept in {recording.audio_path}: try another backend or model.",
            )
            return
        processing = Processing.load(recording.backend_state)
        job = TranscriptionJob.create(
            recording.request,
            recording.audio_path,
            processing,
            store=store.directory,
            recording=recording.id,
        )
        size = recording.audio_bytes or 0

        def checkpoint(seconds: float) -> None:
            check_wanted(store, recording.id)
            share = seconds * job.pcm.bytes_per_second / max(size, 1)
            store.report(recording.id, progress=share)

        try:
            models = self._models_for(processing.options)
            transcript = stored.transcribe(job, models, ignore, lambda _: size, checkpoint)
        except SpeechError as error:
            store.fail(recording.id, str(error))
        else:
            complete(store, recording.id, transcript)

    def _models_for(self, options: LocalOptions) -> Models:
        # One set at a time: large models of several programs might not fit into the memory.
        if self._models is None or self._models.options != options:
            self.close()
            self._models = Models(options)
        return self._models


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
