"""The process that recognizes a stored recording (started by :mod:`recording.workers`).

Its order comes on standard input, because it holds a key.  It continues after the end of
the journal, so nothing that a program or another worker recognized before is recognized
again.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import msgspec
from pydantic import BaseModel, ConfigDict

from speech_adapters.azure.credentials import default_credential
from speech_adapters.backends.realtime.completion import complete
from speech_adapters.backends.realtime.feeder import Feeder
from speech_adapters.backends.realtime.journal import Journal, journal_path, read_journal
from speech_adapters.backends.realtime.normalizer import EventNormalizer
from speech_adapters.backends.realtime.options import NAME, Access, RealtimeOptions
from speech_adapters.contract import JobState, Recognized, SessionEvent
from speech_adapters.errors import SpeechError, StoreError
from speech_adapters.recording.slots import worker_slot
from speech_adapters.recording.workers import is_wanted, process_exclusively
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import remove_others

__all__ = ["MAX_ATTEMPTS", "RealtimeProgress", "WorkerOrder", "main"]

MAX_ATTEMPTS: Final = 3
_REPORT_SECONDS: Final = 2.0
# Processes that recognize at a time: each has the SDK in its memory and one of the
# resource's concurrent connections.
_WORKERS: Final = 32


class WorkerOrder(BaseModel):
    """What a worker has to do; it holds credentials, so it is never logged.

    Attributes:
        state_dir: the folder of the meeting store.
        recording: the recording's id in it.
        downmix: how its channels are mixed to one.
        options: the options of the backend, without its key.
        region, endpoint, key, token, resource_id: see :class:`Access`.
        default_credential: whether DefaultAzureCredential is used.
    """

    # A validation error would quote the key, and the log keeps it.
    model_config = ConfigDict(hide_input_in_errors=True)

    state_dir: Path
    recording: str
    downmix: str
    options: RealtimeOptions
    region: str = ""
    endpoint: str = ""
    key: str = ""
    token: str = ""
    resource_id: str = ""
    default_credential: bool = False

    def access(self) -> Access:
        """Return endpoint and credentials."""
        credential = default_credential(NAME) if self.default_credential else None
        return Access(
            key=self.key,
            credential=credential,
            token=(lambda: self.token) if self.token else None,
            region=self.region,
            endpoint=self.endpoint,
            resource_id=self.resource_id,
        )


@attrs.frozen
class RealtimeProgress:
    """What this backend stores in ``Recording.backend_state``.

    Attributes:
        trouble: why the last attempt failed; empty if it did not, or died.
    """

    trouble: str = ""

    @classmethod
    def of(cls, recording: Recording) -> RealtimeProgress:
        """Read the progress of a recording; one that has none yet has no trouble."""
        return msgspec.json.decode(recording.backend_state or "{}", type=cls)

    def encode(self) -> str:
        """Return the JSON text that :meth:`of` reads."""
        return msgspec.json.encode(self).decode()


def main(text: str) -> int:
    """Carry out the order in ``text``; return the exit code."""
    order = WorkerOrder.model_validate_json(text)
    with Store.open(order.state_dir) as store:
        process_exclusively(store, order.recording, partial(_process, order, store))
    return 0


def _process(order: WorkerOrder, store: Store, recording: Recording) -> None:
    with worker_slot(store, recording.id, NAME, _WORKERS) as granted:
        if granted:
            _attempt(order, store, recording)
    if store.get(recording.id).state is JobState.DELETED:
        # The deletion found this process at work, so its files are left to it.
        remove_others(recording.audio_path)


def _attempt(order: WorkerOrder, store: Store, recording: Recording) -> None:
    if store.begin_attempt(recording.id) > MAX_ATTEMPTS:
        trouble = RealtimeProgress.of(recording).trouble or "the process that recognized it died."
        store.fail(
            recording.id,
            f"{MAX_ATTEMPTS} attempts came to no end: {trouble} Its audio and the utterances so"
            " far are kept: resume the meeting to try again.",
        )
        return
    # If this process dies, the trouble of an earlier attempt was not the reason.
    store.update(recording.id, backend_state=RealtimeProgress().encode())
    try:
        _recognize(order, store, recording)
    except SpeechError as error:
        # The store may be locked for long; the journal has everything for the next attempt.
        if error.retryable or isinstance(error, StoreError):
            progress = RealtimeProgress(str(error)).encode()
            step = f"to be tried again: {error}"
            store.update(recording.id, step=step, backend_state=progress)
        else:
            store.fail(recording.id, str(error))


def _recognize(order: WorkerOrder, store: Store, recording: Recording) -> None:
    from speech_adapters.backends.realtime.recognizer import connect  # loads the SDK

    request, access, options = recording.request, order.access(), order.options
    path = journal_path(recording)
    normalizer = EventNormalizer.of(request, options.backfill_seconds, read_journal(path))
    with Journal(path) as journal:
        # A deletion removes the journal.  Once it is open, no utterance creates it again.
        journal.open()
        if store.get(recording.id).state.final:
            return

        def emit(event: SessionEvent) -> None:
            if isinstance(event, Recognized):
                journal.add(event.utterance)
            if not report(normalizer.reached):
                feeder.close()

        report = _progress_reporter(store, recording)
        feeder = Feeder(
            recording.audio_path,
            request.audio,
            order.downmix,
            options,
            partial(connect, request, access, options.pace),
            normalizer,
            emit,
        )
        feeder.grow(recording.audio_bytes or 0, ended=True)
        try:
            completed = feeder.run()
        finally:
            feeder.release()
    if completed:
        complete(store, recording.id, normalizer.emulated)


def _progress_reporter(store: Store, recording: Recording) -> Callable[[int], bool]:
    """Return a function that stores the position reached, in ticks, every few seconds.

    It returns whether the work is still wanted: the meeting may have been deleted.
    """
    length = max(recording.request.audio.ticks(recording.audio_bytes or 0), 1)
    reported = -_REPORT_SECONDS

    def report(reached: int) -> bool:
        nonlocal reported
        # Results come many times a second, and each report waits for the disk.
        if time.monotonic() - reported < _REPORT_SECONDS:
            return True
        reported = time.monotonic()
        store.report(recording.id, progress=reached / length)
        return is_wanted(store, recording.id)

    return report


if __name__ == "__main__":
    try:
        # UTF-8, whatever encoding the system's standard input has.
        code = main(sys.stdin.buffer.read().decode())
    except BaseException:
        traceback.print_exc()
        code = 1
    # What is worth keeping is on disk; the SDK would need ten seconds to release a service
    # that does not answer.
    sys.stderr.flush()
    os._exit(code)
