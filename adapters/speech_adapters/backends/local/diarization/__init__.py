"""Speaker diarization: who spoke when, from mono audio.

The stages, one module each::

    samples -> segmentation -> embedding -> clustering -> assignment -> turns

Everything runs on numpy and onnxruntime.  The cost is linear in the length of the audio,
and the memory is bounded (see :mod:`~speech_adapters.backends.local.diarization.diarizer`).
"""

from speech_adapters.backends.local.diarization.assignment import Turn
from speech_adapters.backends.local.diarization.diarizer import Diarization, Diarizer
from speech_adapters.backends.local.diarization.embedding import VoiceEmbedding, embed
from speech_adapters.backends.local.diarization.models import (
    ModelMismatchError,
    SpeakerModels,
    load_models,
)

__all__ = [
    "Diarization",
    "Diarizer",
    "ModelMismatchError",
    "SpeakerModels",
    "Turn",
    "VoiceEmbedding",
    "embed",
    "load_models",
]
