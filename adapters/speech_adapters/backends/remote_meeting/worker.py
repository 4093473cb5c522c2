"""The process that uploads a stored recording (started by :mod:`recording.workers`).

Its order comes on standard input, because it holds a key.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import Final

import attrs

from speech_adapters.backends.remote_meeting.options import NAME, RemoteMeetingOptions
from speech_adapters.backends.remote_meeting.progress import (
    Rank,
    RemoteStage,
    load_progress,
    rank_of,
    save_failure,
    save_progress,
)
from speech_adapters.contract import JobState, Mode, SessionEvent
from speech_adapters.errors import SpeechError, StoreError
from speech_adapters.recording.slots import worker_slot
from speech_adapters.recording.workers import (
    is_wanted,
    process_exclusively,
    progress_reporter,
    run_worker,
)
from speech_adapters.speech_sdk.feeder import Feeder
from speech_adapters.speech_sdk.meeting_normalizer import MeetingNormalizer
from speech_adapters.speech_sdk.orders import SdkOrder
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import remove_others

__all__ = ["UploadOrder", "main"]

# Processes that upload at a time: each has the SDK in its memory and one connection.
_WORKERS: Final = 32


class UploadOrder(SdkOrder):
    """What a worker has to do.

    Attributes:
        options: the options of the backend, without its key.
    """

    backend = NAME
    options: RemoteMeetingOptions


def main(text: str) -> int:
    """Carry out the order in ``text``; return the exit code."""
    order = UploadOrder.model_validate_json(text)
    with Store.open(order.state_dir) as store:
        process_exclusively(store, order.recording, partial(_process, order, store))
    return 0


def _process(order: UploadOrder, store: Store, recording: Recording) -> None:
    # Another worker may have uploaded it while this one waited for the lock, and another
    # recording may have replaced it.
    uploaded = load_progress(recording).stage is RemoteStage.UPLOADED
    if not uploaded and rank_of(store, recording) is Rank.NEWEST:
        with worker_slot(store, recording.id, NAME, _WORKERS) as granted:
            if granted:
                _attempt(order, store, recording)
    if store.get(recording.id).state is JobState.DELETED:
        # The deletion found this process at work, so its files are left to it.
        remove_others(recording.audio_path)


def _attempt(order: UploadOrder, store: Store, recording: Recording) -> None:
    before = load_progress(recording)
    started = attrs.evolve(
        before, stage=RemoteStage.UPLOADING, interrupted=before.interrupted + 1, trouble=""
    )
    # Before anything is sent: whatever happens now, the service may have a part of it.
    if not save_progress(store, recording.id, started, "being uploaded"):
        return
    store.begin_attempt(recording.id)
    ended = attrs.evolve(started, interrupted=0)
    try:
        if _upload(order, store, recording):
            uploaded = attrs.evolve(ended, stage=RemoteStage.UPLOADED)
            save_progress(store, recording.id, uploaded, "at the service")
    except SpeechError as error:
        # The store may be locked for long; the next attempt needs nothing of this one.
        if not (error.retryable or isinstance(error, StoreError)):
            save_failure(store, recording.id, ended, str(error))
            return
        store.poll_later([recording.id], time.time() + order.options.poll_seconds)
        step = f"to be uploaded again: {error}"
        save_progress(store, recording.id, attrs.evolve(ended, trouble=str(error)), step)


def _upload(order: UploadOrder, store: Store, recording: Recording) -> bool:
    """Send all of the audio; return False if the meeting was deleted or recorded anew meanwhile.

    Raises:
        SpeechError: the service did not accept all of it.
    """
    from speech_adapters.speech_sdk.meeting_recognizer import connect_meeting  # loads the SDK

    # Live events were for the program that recorded it.
    request = attrs.evolve(recording.request, mode=Mode.STORED)
    # One attempt: a second connection would have to begin with the first audio again.
    options = order.options.model_copy(update={"attempts": 1})

    length = max(recording.audio_bytes or 0, 1)
    report = progress_reporter(store, recording.id, _is_still_wanted)

    def emit(_: SessionEvent) -> None:
        """Ignore the event: the transcript comes by the meeting's id."""

    feeder = Feeder(
        recording.audio_path,
        request.audio,
        None,
        options,
        partial(connect_meeting, request, order.access(), options.pace),
        MeetingNormalizer.of_meeting(request),
        emit,
        rate=options.pace,
        is_wanted=lambda sent: report(sent / length),
    )
    feeder.grow(recording.audio_bytes or 0, ended=True)
    try:
        return feeder.run()
    finally:
        feeder.release()


def _is_still_wanted(store: Store, recording_id: str) -> bool:
    """Whether the meeting is neither deleted nor recorded anew: the service needs its id."""
    # A store that cannot be read just now is no reason to end the upload.
    with suppress(StoreError):
        newest = rank_of(store, store.get(recording_id)) is Rank.NEWEST
        return newest and is_wanted(store, recording_id)
    return True


if __name__ == "__main__":
    run_worker(main)
