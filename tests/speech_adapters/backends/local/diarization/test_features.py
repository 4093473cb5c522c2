from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.features import MEL_BANDS, mel_bands


def reference(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Kaldi's definition, one frame and one band after the other, without an FFT."""
    low, high = 1127 * math.log(1 + 20 / 700), 1127 * math.log(1 + 8000 / 700)
    times = np.arange(400)
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * times / 399)
    bins = [np.exp(-2j * np.pi * k * times / 512) for k in range(256)]
    rows = []
    for start in range(0, len(samples) - 399, 160):
        frame = samples[start : start + 400].astype(np.float64) * 32768
        frame = frame - frame.mean()
        emphasized = [frame[0] - 0.97 * frame[0]]
        emphasized += [frame[i] - 0.97 * frame[i - 1] for i in range(1, 400)]
        power = [abs(np.dot(np.array(emphasized) * hamming, wave)) ** 2 for wave in bins]
        row = []
        for band in range(MEL_BANDS):
            left, center, right = (low + (band + i) * (high - low) / 81 for i in range(3))
            energy = 0.0
            for k in range(256):
                mel = 1127 * math.log(1 + k * 16000 / 512 / 700)
                if left < mel <= center:
                    energy += power[k] * (mel - left) / (center - left)
                elif center < mel < right:
                    energy += power[k] * (right - mel) / (right - center)
            row.append(math.log(max(energy, 2.0**-23)))
        rows.append(row)
    return np.array(rows)


def test_the_bands_are_those_of_kaldi_without_their_mean() -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 1600).astype(np.float32)
    expected = reference(samples)
    assert mel_bands(samples) == pytest.approx(expected - expected.mean(axis=0), abs=1e-4)


def test_digital_silence_has_the_lowest_energy_of_kaldi() -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, 800)
    samples = np.concatenate([np.zeros(800), noise]).astype(np.float32)
    expected = reference(samples)
    assert mel_bands(samples) == pytest.approx(expected - expected.mean(axis=0), abs=1e-4)


def test_loudness_does_not_matter() -> None:
    samples = np.random.default_rng(2).normal(0, 0.1, 8000).astype(np.float32)
    assert mel_bands(samples * np.float32(0.25)) == pytest.approx(mel_bands(samples), abs=1e-3)


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_there_is_a_row_for_each_full_window(samples: int, frames: int) -> None:
    assert mel_bands(np.ones(samples, np.float32)).shape == (frames, MEL_BANDS)
