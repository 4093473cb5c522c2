"""The process that runs the engine: ``python -P -m speech_adapters.backends.local.worker JOB``.

It reads a recording's audio from its file.  For a live meeting it follows the file while it
grows, and sends events to the session (see :mod:`.protocol`).  For a stored one it puts the
transcript into the store, and does not need the program that recorded it::

    job.live  job.store
       yes      no       events only; ends with the session
       yes      yes      events and transcript; holds the recording's lock while it runs
       no       yes      transcript only; holds the recording's lock while it runs

A crash of the engine ends this process only.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from speech_adapters.backends.local.channel import AbandonedError, SessionChannel
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.options import NAME, provenance
from speech_adapters.backends.local.protocol import Failed, Finished, WorkerMessage
from speech_adapters.backends.local.reader import BlockReader
from speech_adapters.backends.local.utterances import UtteranceBuilder
from speech_adapters.contract import JobState, Progress, SpeechEnded
from speech_adapters.errors import BackendError, SpeechError, StoreError
from speech_adapters.recording.slots import worker_slot
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.recording.workers import is_wanted, process_exclusively
from speech_adapters.store import Recording, Store, acquire_with_retry
from speech_adapters.store.files import remove_files, remove_others
from speech_adapters.store.recovery import close_abandoned
from speech_adapters.transcript import Transcript, ticks

if TYPE_CHECKING:
    from speech_adapters.backends.local.engine import Engine

__all__ = ["MAX_ATTEMPTS", "main"]

# An engine that dies this often on a recording will die again: the meeting fails.
MAX_ATTEMPTS: Final = 3
# Each report costs a write to disk, so it depends on the time and not on the audio.
_CHECKPOINT_SECONDS: Final = 2.0
# An engine keeps a processor busy.
_ENGINES: Final = os.cpu_count() or 1

_Send = Callable[[WorkerMessage], None]
_Checkpoint = Callable[[float], None]


def main(arguments: list[str]) -> int:
    """Do the job in ``arguments`` and return the exit code."""
    job = TranscriptionJob.load(arguments[0])
    with suppress(AbandonedError):
        return _run_live(job) if job.live else _run_stored(job)
    return 0


def _run_live(job: TranscriptionJob) -> int:
    channel = SessionChannel(job.audio, required=job.store is None)
    try:
        if job.store is None:
            _transcribe(job, channel.send, channel.wait_for_audio, _ignore)
        else:
            _run_live_and_store(job, channel)
    except SpeechError as error:
        channel.send(Failed(str(error)))
        return 1
    channel.send(Finished())
    return 0


def _run_live_and_store(job: TranscriptionJob, channel: SessionChannel) -> None:
    assert job.store is not None
    with Store.open(job.store) as store:
        lock = acquire_with_retry(lambda: store.lock_recording(job.recording))
        if lock is None:
            # Another worker processes the recording already, since its audio has ended.
            _transcribe(job, channel.send, channel.wait_for_audio, _ignore)
            return
        with lock:
            with suppress(StoreError):  # one attempt more does less harm than no events
                store.begin_attempt(job.recording)
            checkpoint = partial(_check_wanted, store, job.recording)
            try:
                transcript = _transcribe(job, channel.send, channel.wait_for_audio, checkpoint)
                if channel.cut_short:
                    # The program died, so this worker ends the recording in its place.
                    close_abandoned(store, store.get(job.recording))
                _complete(store, job.recording, transcript)
            finally:
                _clean_if_deleted(store, job.recording)


def _run_stored(job: TranscriptionJob) -> int:
    assert job.store is not None
    with Store.open(job.store) as store:
        process_exclusively(store, job.recording, partial(_process, job, store))
    return 0


def _process(job: TranscriptionJob, store: Store, recording: Recording) -> None:
    try:
        with worker_slot(store, recording.id, NAME, _ENGINES) as granted:
            if granted:
                _transcribe_stored(job, store, recording)
    finally:
        _clean_if_deleted(store, recording.id)


def _transcribe_stored(job: TranscriptionJob, store: Store, recording: Recording) -> None:
    # Counted before the engine starts: one that crashes leaves no time to count.
    if store.begin_attempt(recording.id) > MAX_ATTEMPTS:
        store.fail(
            recording.id,
            f"The speech engine died {MAX_ATTEMPTS} times on this recording. Its audio is kept"
            f" in {recording.audio_path}: try another backend or model.",
        )
        return
    size = recording.audio_bytes or 0

    def checkpoint(seconds: float) -> None:
        _check_wanted(store, recording.id)
        share = seconds * job.pcm.bytes_per_second / max(size, 1)
        store.report(recording.id, progress=share)

    try:
        transcript = _transcribe(job, _ignore, lambda _: size, checkpoint)
    except SpeechError as error:
        store.fail(recording.id, str(error))
    else:
        _complete(store, recording.id, transcript)


def _check_wanted(store: Store, recording_id: str, _seconds: float = 0.0) -> None:
    """Raise AbandonedError if the meeting was deleted."""
    if not is_wanted(store, recording_id):
        raise AbandonedError


def _complete(store: Store, recording_id: str, transcript: Transcript) -> None:
    """Store the transcript, and remove the files that are no longer needed."""
    recording = store.get(recording_id)
    notes = recording.provenance_notes
    noted = attrs.evolve(transcript, provenance=attrs.evolve(transcript.provenance, notes=notes))
    if store.complete(recording_id, noted):
        remove_files(recording.audio_path)


def _clean_if_deleted(store: Store, recording_id: str) -> None:
    """Remove the log of a deleted recording, which the service leaves to the lock's holder."""
    recording = store.get(recording_id)
    # While a file is left, the cleanup stays due, and the service retries it.
    if recording.state is JobState.DELETED and remove_others(recording.audio_path):
        store.cleaned(recording_id)


def _transcribe(
    job: TranscriptionJob,
    send: _Send,
    wait_for_audio: Callable[[int], int | None],
    checkpoint: _Checkpoint,
) -> Transcript:
    """Run a recording through the engine, to its end.

    Args:
        job: the recording.
        send: receives the events.
        wait_for_audio: see :class:`.reader.BlockReader`.
        checkpoint: called every two seconds of work with the seconds of audio transcribed.
    """
    builder = UtteranceBuilder(job.language, job.diarize)
    pulse = _Pulse(send, checkpoint)
    with SpoolReader(job.audio) as spool, _load_engine(job) as engine:
        if job.live and job.store is None:
            _unlink_temporary(job)
        reader = BlockReader(spool, job.pcm, job.downmix, wait_for_audio)
        for block in reader:
            for event in builder.update(engine.add_audio(block), reader.seconds):
                send(event)
            pulse.beat(reader.seconds)
        for event in builder.update(engine.finish(), reader.seconds):
            send(event)
    for event in builder.finish():
        send(event)
    utterances = builder.utterances
    if utterances:
        send(SpeechEnded(max(utterance.end for utterance in utterances)))
    return Transcript(job.meeting_id, utterances, ticks(reader.seconds), provenance())


def _load_engine(job: TranscriptionJob) -> Engine:
    try:
        # Imported late: the import loads the native library, and its failure must reach
        # the session or the store.
        from speech_adapters.backends.local.engine import Engine
    except (ImportError, OSError) as error:
        raise BackendError(f"The speech engine cannot be loaded: {error}.") from error
    return Engine(job.options, job.pcm.sample_rate, job.diarize)


def _unlink_temporary(job: TranscriptionJob) -> None:
    """Remove the name of a temporary file that is open, so that no crash leaves audio behind."""
    with suppress(OSError):  # not every system can
        job.audio.unlink()


def _ignore(_: object) -> None:
    """Send nothing, or check nothing."""


class _Pulse:
    """Sends progress every second of audio, and calls the checkpoint every few of work."""

    def __init__(self, send: _Send, checkpoint: _Checkpoint) -> None:
        self._send = send
        self._checkpoint = checkpoint
        self._sent_at = 0.0  # seconds of audio
        self._checked_at = time.monotonic()

    def beat(self, seconds: float) -> None:
        """Do what is due after ``seconds`` of audio."""
        if seconds - self._sent_at >= 1.0:
            self._sent_at = seconds
            self._send(Progress(ticks(seconds)))
        if time.monotonic() - self._checked_at >= _CHECKPOINT_SECONDS:
            self._checked_at = time.monotonic()
            self._checkpoint(seconds)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Standard output may be a pipe that is no longer read: its flush at exit must not fail.
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    sys.exit(status)
