"""A double of the speaker models: voices are modulated tones.

It analyzes the audio that it receives, so that a diarizer that cuts or places the audio
wrongly returns wrong turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.features import MEL_BANDS, SAMPLE_RATE, mel_bands
from speech_adapters.backends.local.diarization.models import CHUNK_FRAMES, Plda, SpeakerModels

__all__ = ["VOICES", "ToneModels", "recording"]

VOICES: Final = (300.0, 900.0, 2500.0, 970.0)
"""The frequency of each voice in Hz.  The last one resembles the second."""

_MODULATION: Final = 8.0
_AUDIBLE: Final = 0.008
_NOISE: Final = 3e-3
_NOISE_SPREAD: Final = 1.8
# Below it, single samples of the noise weigh too much.
_LOWEST_BAND: Final = 6


def recording(turns: Sequence[tuple[float, float, int]], seconds: float) -> NDArray[np.float32]:
    """Return audio in which voices speak.

    Args:
        turns: start and end in seconds, and index of the voice.
        seconds: length of the audio.
    """
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    samples = np.random.default_rng(0).normal(0, _NOISE, len(times))
    for start, end, voice in turns:
        inside = (times >= start) & (times < end)
        loudness = 1 + np.sin(2 * np.pi * _MODULATION * (times[inside] - start))
        samples[inside] += 0.1 * loudness * np.sin(2 * np.pi * VOICES[voice] * times[inside])
    return samples.astype(np.float32)


class ToneModels(SpeakerModels):
    """Detects the tones of :func:`recording`.

    Attributes:
        embedded: number of windows that were embedded.
    """

    plda: Plda | None = None
    dimension = MEL_BANDS
    embedding_id = "tones"

    def __init__(self) -> None:
        self.embedded = 0

    def segment(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        frames = sliding_window_view(samples, 991)[::270][:CHUNK_FRAMES]
        times = np.arange(frames.shape[1]) / SAMPLE_RATE
        waves = np.exp(-2j * np.pi * np.outer(times, VOICES)).astype(np.complex64)
        active = np.abs(frames @ waves) / len(times) > _AUDIBLE
        # Three columns: voices that resemble each other share one.
        active[:, 1] |= active[:, 3]
        return np.asarray(active[:, :3])

    def embed(self, bands: NDArray[np.float32]) -> NDArray[np.float32]:
        # The modulation makes the bands around the tone vary; the noise varies less.
        self.embedded += 1
        spread = np.maximum(0.0, bands.std(axis=0) - _NOISE_SPREAD)
        spread[:_LOWEST_BAND] = 0.0
        return np.asarray(spread, np.float32)

    def embed_tone(self, voice: int) -> NDArray[np.float64]:
        """Return the embedding of a voice, of unit length."""
        vector = self.embed(mel_bands(recording([(0, 2, voice)], 2))).astype(np.float64)
        return np.asarray(vector / np.linalg.norm(vector))

    def close(self) -> None:
        pass
