"""The process that recognizes a stored recording (started by :mod:`recording.workers`).

Its order comes on standard input, because it holds a key.  It continues after the end of
the journal, so nothing that a program or another worker recognized before is recognized
again.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs
import msgspec

from speech_adapters.backends.realtime.completion import complete
from speech_adapters.backends.realtime.options import NAME, RealtimeOptions
from speech_adapters.contract import JobState, Recognized, SessionEvent
from speech_adapters.errors import SpeechError, StoreError
from speech_adapters.recording.slots import worker_slot
from speech_adapters.recording.workers import (
    process_exclusively,
    progress_reporter,
    run_worker,
)
from speech_adapters.speech_sdk.feeder import Feeder
from speech_adapters.speech_sdk.journal import Journal, journal_path, read_journal
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.speech_sdk.orders import SdkOrder
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import remove_others

__all__ = ["MAX_ATTEMPTS", "RealtimeProgress", "WorkerOrder", "main"]

MAX_ATTEMPTS: Final = 3
# Processes that recognize at a time: each has the SDK in its memory and one of the
# resource's concurrent connections.
_WORKERS: Final = 32


class WorkerOrder(SdkOrder):
    """What a worker has to do.

    Attributes:
        downmix: how the channels are mixed to one.
        options: the options of the backend, without its key.
    """

    backend = NAME
    downmix: str
    options: RealtimeOptions


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
    from speech_adapters.speech_sdk.recognizer import connect  # loads the SDK

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
            if not report(normalizer.reached / length):
                feeder.close()

        length = max(request.audio.ticks(recording.audio_bytes or 0), 1)
        report = progress_reporter(store, recording.id)
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


if __name__ == "__main__":
    run_worker(main)
