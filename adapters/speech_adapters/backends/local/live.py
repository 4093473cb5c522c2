"""A meeting that is transcribed while it is spoken: events first, then the transcript."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from speech_adapters.backends.local.job import TranscriptionJob, unlink_temporary
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.packages import engine_imports
from speech_adapters.backends.local.pulse import Checkpoint, Pulse, Send
from speech_adapters.backends.local.reader import BlockReader
from speech_adapters.backends.local.utterances import UtteranceBuilder
from speech_adapters.contract import Origin, SpeechEnded
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.transcript import Transcript, ticks

if TYPE_CHECKING:
    from speech_adapters.backends.local.live_engine import LiveEngine

__all__ = ["transcribe"]


def transcribe(
    job: TranscriptionJob,
    models: Models,
    send: Send,
    wait_for_audio: Callable[[int], int | None],
    checkpoint: Checkpoint,
) -> Transcript:
    """Run a recording through the engine, to its end.

    Args:
        job: the recording.
        models: the models of this process.
        send: receives the events.
        wait_for_audio: see :class:`.reader.BlockReader`.
        checkpoint: called every two seconds of work with the seconds of audio transcribed.

    Raises:
        SpeechError: the engine failed, or cannot be loaded.
    """
    pulse = Pulse(send, checkpoint)
    with SpoolReader(job.audio) as spool, _load_engine(job, models) as engine:
        builder = UtteranceBuilder(
            job.language,
            job.diarize or bool(job.attendees),
            engine.settle_seconds,
            guests=job.diarize,
        )
        if job.store is None:
            unlink_temporary(job)
        if engine.provenance.emulated:
            send(Origin(engine.provenance))
        reader = BlockReader(spool, job.pcm, job.downmix, wait_for_audio)
        for block in reader:
            for event in builder.update(engine.add_audio(block), reader.seconds):
                send(event)
            pulse.beat(reader.seconds)
        for event in builder.update(engine.finish(), reader.seconds):
            send(event)
    for event in builder.finish():
        send(event)
    utterances = builder.result()
    if utterances:
        send(SpeechEnded(max(utterance.end for utterance in utterances)))
    return Transcript(job.meeting_id, utterances, ticks(reader.seconds), engine.provenance)


def _load_engine(job: TranscriptionJob, models: Models) -> LiveEngine:
    with engine_imports():
        from speech_adapters.backends.local.engines import load_live
    return load_live(job, models)
