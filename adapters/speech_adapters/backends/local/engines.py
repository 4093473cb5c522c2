"""Loads the engines of a worker: the one place that chooses models and diarizer.

Everything here loads native libraries, so only worker processes import this module, when
their failure can reach the session or the store.
"""

from __future__ import annotations

import logging
import os
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from speech_adapters.backends.local.diarization import (
    Diarizer,
    ModelMismatchError,
    SpeakerModels,
    load_models,
)
from speech_adapters.backends.local.diarization.identification import read_signatures
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.live_engine import LiveEngine
from speech_adapters.backends.local.live_speakers import LiveSpeakers
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import (
    LocalOptions,
    provenance,
    recognition_model,
)
from speech_adapters.backends.local.pipeline import Pipeline
from speech_adapters.backends.local.recognition.segments import SegmentRecognizer
from speech_adapters.backends.local.recognition.whisper import (
    RecordingRecognizer,
    WhisperRecognizer,
)

if TYPE_CHECKING:
    from speech_adapters.backends.local.moonshine.diarizer import MoonshineDiarizer
    from speech_adapters.signatures import VoiceSignature

__all__ = ["load_live", "load_stored"]

_logger = logging.getLogger(__name__)

_CORES: Final = os.cpu_count() or 1
# Together they use the processors: diarization is the longer half, and Whisper's small
# models gain little from more than one thread.
_RECOGNITION_THREADS: Final = max(1, _CORES // 4)
_DIARIZATION_THREADS: Final = max(1, min(4, _CORES - _RECOGNITION_THREADS))


def load_live(job: TranscriptionJob, models: Models) -> LiveEngine:
    """Load the engine for a meeting that is transcribed while it is spoken.

    Raises:
        MissingExtraError: a package is not installed.
        ConfigurationError: a model cannot be loaded.
        AudioError: the sample rate of the recording cannot be converted.
    """
    with ExitStack() as resources:
        recognizer = models.get(_load_recognizer)
        diarizer, signatures, fallback = _load_diarizer(job, models, resources)
        speakers = None
        if diarizer is not None:
            # Closed first: its thread uses the models.
            speakers = resources.enter_context(LiveSpeakers(diarizer))
        return LiveEngine(
            job.pcm.sample_rate,
            SegmentRecognizer(recognizer, _language(job)),
            speakers,
            provenance=provenance(job.options, recognizer.model, fallback=fallback),
            signatures=signatures,
            resources=resources.pop_all(),
            settle_seconds=0.0 if diarizer is None else diarizer.settle_seconds,
        )


def load_stored(job: TranscriptionJob, models: Models) -> Pipeline:
    """Load the engine for a recording that is complete.

    Raises:
        MissingExtraError: a package is not installed.
        ConfigurationError: a model cannot be loaded.
        AudioError: the sample rate of the recording cannot be converted.
    """
    with ExitStack() as resources:
        recognizer = models.get(_load_recognizer)
        diarizer, signatures, fallback = _load_diarizer(job, models, resources)
        return Pipeline(
            job.pcm.sample_rate,
            RecordingRecognizer(recognizer, _language(job)),
            diarizer,
            language=job.language,
            seed=uuid.UUID(job.recording) if job.recording else uuid.uuid4(),
            provenance=provenance(job.options, recognizer.model, fallback=fallback),
            signatures=signatures,
            resources=resources.pop_all(),
        )


def _load_recognizer(options: LocalOptions) -> WhisperRecognizer:
    return WhisperRecognizer(
        recognition_model(options),
        options.device,
        options.compute_type or ("int8" if options.device == "cpu" else "default"),
        _RECOGNITION_THREADS,
        # Otherwise the meetings of a process would be recognized one after the other.
        parallel=_CORES,
    )


def _load_speaker_models(options: LocalOptions) -> SpeakerModels:
    return load_models(options.segmentation_model, options.embedding_model, _DIARIZATION_THREADS)


def _load_diarizer(
    job: TranscriptionJob, models: Models, resources: ExitStack
) -> tuple[Diarizer | MoonshineDiarizer | None, dict[str, VoiceSignature], str]:
    """Return the diarizer, and the voice signatures that it can use.

    There is none if speakers need not be separated.  The text is why it is not the diarizer
    that the options name, if it is not.
    """
    if not (job.diarize or job.attendees):
        return None, {}, ""
    options, reason = job.options, ""
    if options.diarizer == "own":
        try:
            shared = models.get(_load_speaker_models)
            diarizer = Diarizer(shared, speakers=options.speakers, max_speakers=job.max_speakers)
            return diarizer, read_signatures(job.attendees, shared.embedding_id), ""
        except ModelMismatchError as error:
            reason = str(error)
            _logger.warning("Another diarizer is used, that of moonshine-voice: %s", reason)
    # Imported here, because the import loads another native library.
    from speech_adapters.backends.local.moonshine.diarizer import MoonshineDiarizer

    return resources.enter_context(MoonshineDiarizer()), {}, reason


def _language(job: TranscriptionJob) -> str | None:
    if job.options.detects_language:
        return None
    return job.options.language or job.language
