from __future__ import annotations

import sys

import numpy as np
import pytest

from speech_adapters.backends.local.recognition.resampling import Resampler
from speech_adapters.errors import AudioError, MissingExtraError


def resample(audio: np.ndarray, rate: int, block: int) -> np.ndarray:
    resampler = Resampler(rate)
    blocks = [resampler.add(audio[i : i + block].tobytes()) for i in range(0, len(audio), block)]
    return np.concatenate([*blocks, resampler.finish()])


def test_audio_of_the_models_rate_is_only_scaled() -> None:
    audio = np.array([0, 16_384, -32_768, 32_767], "<i2")
    found = resample(audio, 16_000, 3)
    assert found.dtype == np.float32
    assert found.tolist() == [0.0, 0.5, -1.0, 32_767 / 32_768]


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("block", [80, 5_000])
def test_other_rates_keep_length_place_and_pitch(rate: int, block: int) -> None:
    seconds = np.arange(2 * rate) / rate
    tone = np.sin(2 * np.pi * 440 * seconds) * (np.abs(seconds - 1.5) < 0.1)
    found = resample((20_000 * tone).astype("<i2"), rate, block)
    assert len(found) == pytest.approx(32_000, abs=2)
    loud = np.nonzero(np.abs(found) > 0.1)[0] / 16_000
    assert loud[0] == pytest.approx(1.4, abs=0.005)
    assert loud[-1] == pytest.approx(1.6, abs=0.005)
    assert np.abs(np.fft.rfft(found)).argmax() == pytest.approx(880, abs=4)  # of 0.5 Hz each


def test_a_resampler_holds_no_more_than_its_filter_needs() -> None:
    resampler = Resampler(48_000)
    got = sum(len(resampler.add(bytes(9_600))) for _ in range(100))
    assert got > 100 * 1_600 - 100


def test_a_rate_that_cannot_be_converted_is_an_error() -> None:
    resampler = Resampler(2**31 - 1)
    with pytest.raises(AudioError, match="2147483647 samples per second cannot be converted"):
        resampler.add(bytes(100_000))


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match="needs the package av"):
        Resampler(8_000)
