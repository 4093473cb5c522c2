"""Enrollment: the voice signature of the person who speaks in some recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.audio import WavFile, mix_down
from speech_adapters.backends.local.diarization import (
    Diarizer,
    SpeakerModels,
    VoiceEmbedding,
    embed,
)
from speech_adapters.backends.local.diarization.identification import (
    MIN_COSINE,
    MIN_SPEECH_SECONDS,
)
from speech_adapters.backends.local.diarization.vectors import unit
from speech_adapters.backends.local.recognition.resampling import Resampler
from speech_adapters.enrollment import Enrollment
from speech_adapters.errors import AudioError
from speech_adapters.signatures import VoiceSignature

__all__ = ["create_signature"]

_BLOCK_FRAMES: Final = 65_536
# Signatures of less speech are wrong too often; those of more than this differ little.
_LEAST_SECONDS: Final = 5.0
_GOOD_SECONDS: Final = 15.0
# Limits time and memory.
_MOST_SECONDS: Final = 300.0
# A second voice with a smaller share is a laugh or a noise.
_OTHER_SHARE: Final = 0.1
# Pieces of one person's speech agree with their mean by 0.65 or more, of several by 0.5 or less.
_LEAST_AGREEMENT: Final = 0.55
# 16-bit samples: below the first (-60 dB) there is only noise; the second is full scale.
_SILENT_LEVEL: Final = 33
_FULL_LEVEL: Final = 32_767
# The share of samples at full scale that is audible as distortion.
_CLIPPED_SHARE: Final = 1e-3


def create_signature(models: SpeakerModels, files: Sequence[Path], downmix: str) -> Enrollment:
    """Create the voice signature of the person in some recordings.

    Args:
        models: the loaded models.
        files: WAV files.
        downmix: how channels become one.

    Raises:
        AudioError: a file cannot be read or is silent, several people speak, or there is too
            little speech.
        ConfigurationError: a file lacks the channel that ``downmix`` names.
    """
    voices = []
    warnings = []
    for path in files:
        rate, pcm = _read(path, downmix)
        warnings += _level_warnings(path, np.frombuffer(pcm, "<i2"))
        resampler = Resampler(rate)
        samples = np.concatenate([resampler.add(pcm), resampler.finish()])
        voice = _voice(models, path, samples)
        warnings += _voice_warnings(path, voice)
        voices.append(voice)
    speech = sum(voice.speech for voice in voices)
    warnings += _length_warnings(speech)
    _check_same_voice(files, voices)
    # Longer recordings count more.
    total = np.sum([voice.vector * voice.speech for voice in voices], axis=0)
    signature = VoiceSignature.of(models.embedding_id, unit(total).tolist(), speech)
    return Enrollment(signature, tuple(warnings))


def _check_same_voice(files: Sequence[Path], voices: Sequence[VoiceEmbedding]) -> None:
    # With the longest one, whose embedding is the most reliable.
    reference = max(range(len(files)), key=lambda number: voices[number].speech)
    for path, voice in zip(files, voices, strict=True):
        if voice.vector @ voices[reference].vector < MIN_COSINE:
            raise AudioError(
                f"{path} has another voice than {files[reference]}: pass recordings of one person"
                " only, and leave out very short ones."
            )


def _read(path: Path, downmix: str) -> tuple[int, bytes]:
    """Return the sample rate and the mono 16-bit PCM of a file."""
    blocks = []
    with WavFile(path) as file:
        most = int(_MOST_SECONDS * file.pcm.sample_rate)
        while file.frames_read <= most and (pcm := file.read(_BLOCK_FRAMES)):
            blocks.append(mix_down(pcm, file.pcm.channels, downmix))
        if file.frames_read > most:
            raise AudioError(
                f"{path} is longer than {_MOST_SECONDS / 60:g} minutes: half a minute of speech"
                " is enough. Cut out a part in which only this person speaks."
            )
        return file.pcm.sample_rate, b"".join(blocks)


def _level_warnings(path: Path, mono: NDArray[np.int16]) -> list[str]:
    levels = np.abs(mono.astype(np.int32))
    if not levels.size or levels.max() < _SILENT_LEVEL:
        raise AudioError(f"{path} is silent: check the microphone, and record again.")
    clipped = float((levels >= _FULL_LEVEL).mean())
    if clipped < _CLIPPED_SHARE:
        return []
    return [
        f"{path} is distorted, because it was recorded too loud ({clipped:.1%} of the samples are"
        " clipped): record it again with a lower level."
    ]


def _length_warnings(speech: float) -> list[str]:
    if speech < _LEAST_SECONDS:
        raise AudioError(
            f"The recordings have {speech:.1f} s of speech. At least {_LEAST_SECONDS:g} s are"
            f" needed, and {_GOOD_SECONDS:g} s are better: record more."
        )
    if speech >= _GOOD_SECONDS:
        return []
    return [
        f"The recordings have only {speech:.1f} s of speech: with {_GOOD_SECONDS:g} s, the person"
        " is recognized more reliably."
    ]


def _voice(models: SpeakerModels, path: Path, samples: NDArray[np.float32]) -> VoiceEmbedding:
    """Return the voice of a recording, in which only one person must speak."""
    voice = embed(models, samples)
    if voice is None:
        raise AudioError(f"{path} has no speech: record the person's voice.")
    diarizer = Diarizer(models)
    diarizer.add_audio(samples)
    speech = sorted(diarizer.finish().speech, reverse=True)
    if sum(speech[1:]) > max(MIN_SPEECH_SECONDS, _OTHER_SHARE * sum(speech)):
        raise AudioError(
            f"{path} has more than one voice: a signature needs recordings in which only one"
            " person speaks."
        )
    return voice


def _voice_warnings(path: Path, voice: VoiceEmbedding) -> list[str]:
    if voice.agreement >= _LEAST_AGREEMENT:
        return []
    return [
        f"{path} has parts that sound like another voice: make sure that only one person speaks,"
        " without noise."
    ]
