"""A whole recording becomes a transcript: one pass, recognition and diarization side by side.

::

    file ──▶ blocks ──▶ samples ──┬─▶ recognition ──▶ words ──┐
                                  └─▶ diarization ──▶ turns ──┴─▶ utterances

The main thread reads, reports progress and checks whether the transcript is still wanted;
the rest is done by the threads of :mod:`.pipeline`.  No part of it holds all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from speech_adapters.backends.local.job import TranscriptionJob, unlink_temporary
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.packages import engine_imports
from speech_adapters.backends.local.pulse import Checkpoint, Pulse, Send
from speech_adapters.backends.local.reader import BlockReader
from speech_adapters.backends.local.recognition.words import without_guests
from speech_adapters.contract import Origin, Recognized, SessionEvent, SpeechEnded, SpeechStarted
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.transcript import Transcript, ticks

if TYPE_CHECKING:
    from speech_adapters.backends.local.pipeline import Pipeline

__all__ = ["events", "transcribe"]


def transcribe(
    job: TranscriptionJob,
    models: Models,
    send: Send,
    wait_for_audio: Callable[[int], int | None],
    checkpoint: Checkpoint,
) -> Transcript:
    """Transcribe a recording as a whole.

    Args:
        job: the recording.
        models: the models of this process.
        send: receives the progress, and the provenance if it is not the backend's.
        wait_for_audio: see :class:`.reader.BlockReader`.
        checkpoint: called every two seconds of work with the seconds of audio transcribed.
            What it raises ends the work.

    Raises:
        SpeechError: the engine failed, or cannot be loaded.
    """
    pulse = Pulse(send, checkpoint)
    with SpoolReader(job.audio) as spool, _load_engine(job, models) as engine:
        if job.store is None:
            unlink_temporary(job)
        if engine.provenance.emulated:
            send(Origin(engine.provenance))
        reader = BlockReader(spool, job.pcm, job.downmix, wait_for_audio)
        for block in reader:
            engine.add_audio(block)
            pulse.beat(engine.seconds)
            while engine.is_behind:
                engine.wait()
                pulse.beat(engine.seconds)
        engine.end_audio()
        while not engine.is_done:
            engine.wait()
            pulse.beat(engine.seconds)
        utterances = engine.utterances()
        if not job.diarize:
            # Speakers were separated only to find the participants among them.
            utterances = without_guests(utterances)
        return Transcript(job.meeting_id, utterances, ticks(reader.seconds), engine.provenance)


def events(transcript: Transcript) -> Iterator[SessionEvent]:
    """Yield the events of a transcript."""
    if transcript.utterances:
        yield SpeechStarted(transcript.utterances[0].offset)
        yield from map(Recognized, transcript.utterances)
        yield SpeechEnded(max(utterance.end for utterance in transcript.utterances))


def _load_engine(job: TranscriptionJob, models: Models) -> Pipeline:
    with engine_imports():
        from speech_adapters.backends.local.engines import load_stored
    return load_stored(job, models)
