"""Log-mel filter banks, as Kaldi computes them and the embedding model was trained on."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["BANDS_PER_SECOND", "MEL_BANDS", "SAMPLE_RATE", "mel_bands"]

SAMPLE_RATE: Final = 16_000
MEL_BANDS: Final = 80
BANDS_PER_SECOND: Final = 100
"""Rows of bands per second of audio."""

_WINDOW: Final = 400
_HOP: Final = SAMPLE_RATE // BANDS_PER_SECOND
_FFT: Final = 512
_LOWEST_HERTZ: Final = 20.0
_PREEMPHASIS: Final = 0.97
# Kaldi reads 16-bit integers, and its logarithm starts at the smallest float32 step.
_FULL_SCALE: Final = 32768.0
_FLOOR: Final = float(np.finfo(np.float32).eps)


def mel_bands(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the log energies in 80 mel bands, without their mean over time.

    Args:
        samples: 16 kHz mono in [-1, 1], at least 25 ms.

    Returns:
        Shape (frames, 80), one frame per 10 ms.
    """
    frames = sliding_window_view(samples, _WINDOW)[::_HOP] * np.float32(_FULL_SCALE)
    frames -= frames.mean(axis=1, keepdims=True)
    # The first sample of a frame has no predecessor; Kaldi uses the sample itself.
    previous = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    frames -= np.float32(_PREEMPHASIS) * previous
    spectrum = np.fft.rfft(frames * _HAMMING, _FFT)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    bands = np.log(np.maximum(power @ _FILTERS, np.float32(_FLOOR)))
    centered: NDArray[np.float32] = bands - bands.mean(axis=0, keepdims=True)
    return centered


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log(1.0 + hertz / 700.0))


def _filters() -> NDArray[np.float32]:
    """Return triangles of equal width on the mel scale, shape (257, 80)."""
    lowest, highest = _mel(np.array([_LOWEST_HERTZ, SAMPLE_RATE / 2]))
    width = (highest - lowest) / (MEL_BANDS + 1)
    left = lowest + width * np.arange(MEL_BANDS)
    mel = _mel(np.arange(_FFT // 2 + 1) * SAMPLE_RATE / _FFT)[:, None]
    rising = (mel - left) / width
    return np.asarray(np.maximum(0.0, np.minimum(rising, 2.0 - rising)), np.float32)


_HAMMING: Final = np.hamming(_WINDOW).astype(np.float32)
_FILTERS: Final = _filters()
