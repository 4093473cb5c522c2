"""Converts 16-bit PCM of any rate to the samples that the models expect, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.packages import missing_package
from speech_adapters.errors import AudioError

if TYPE_CHECKING:
    from av import AudioFrame

__all__ = ["SAMPLE_RATE", "Resampler"]

SAMPLE_RATE: Final = 16_000


class Resampler:
    """Resamples one recording to 16 kHz; keeps only the samples that its filter needs.

    Args:
        rate: samples per second of the audio.

    Raises:
        MissingExtraError: the package ``av`` is not installed.
        AudioError: the rate cannot be converted.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        if rate == SAMPLE_RATE:
            return
        try:
            import av
            from av.error import FFmpegError
        except ModuleNotFoundError as error:
            raise missing_package("av") from error
        self._av = av
        self._failure = FFmpegError
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def add(self, pcm: bytes) -> NDArray[np.float32]:
        """Return the mono samples in [-1, 1] that ``pcm``, mono 16-bit PCM, completes.

        Raises:
            AudioError: the rate cannot be converted.
        """
        audio = np.frombuffer(pcm, "<i2")
        if self._rate == SAMPLE_RATE:
            return audio.astype(np.float32) / 32768.0
        frame = self._av.AudioFrame.from_ndarray(audio.reshape(1, -1), "s16", "mono")
        frame.sample_rate = self._rate
        return self._resample(frame)

    def finish(self) -> NDArray[np.float32]:
        """Return the samples that the filter still holds."""
        return np.zeros(0, np.float32) if self._rate == SAMPLE_RATE else self._resample(None)

    def _resample(self, frame: AudioFrame | None) -> NDArray[np.float32]:
        try:
            frames = self._resampler.resample(frame)
        except (ValueError, self._failure) as error:
            raise AudioError(
                f"Audio of {self._rate} samples per second cannot be converted: {error}."
            ) from error
        parts = [found.to_ndarray().reshape(-1) for found in frames]
        return np.concatenate(parts, dtype=np.float32) if parts else np.zeros(0, np.float32)
