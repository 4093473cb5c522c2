from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speech_adapters.audio import WavFile
from speech_adapters.backends.local.recognition.activity import FRAME_SAMPLES, SpeechActivity
from speech_adapters.backends.local.recognition.resampling import Resampler

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def spoken(shipped_recordings: Path) -> np.ndarray:
    with WavFile(shipped_recordings / "clone-test.wav") as file:
        return Resampler(file.pcm.sample_rate).add(file.read(8 * file.pcm.sample_rate))


def test_speech_is_probable_and_silence_is_not(spoken: np.ndarray) -> None:
    assert max(SpeechActivity().add(spoken)) > 0.9
    assert max(SpeechActivity().add(np.zeros(16_000, np.float32))) < 0.2


def test_the_probabilities_do_not_depend_on_the_pieces(spoken: np.ndarray) -> None:
    whole, pieces = SpeechActivity(), SpeechActivity()
    expected = whole.add(spoken)
    found = [
        p for start in range(0, len(spoken), 1000) for p in pieces.add(spoken[start : start + 1000])
    ]
    assert found == expected
    assert len(found) == len(spoken) // FRAME_SAMPLES


def test_the_probabilities_are_those_of_the_package_itself(spoken: np.ndarray) -> None:
    from faster_whisper.vad import get_vad_model

    whole = spoken[: len(spoken) // FRAME_SAMPLES * FRAME_SAMPLES]
    expected = np.asarray(get_vad_model()(whole)).reshape(-1)
    assert SpeechActivity().add(whole) == pytest.approx(expected.tolist(), abs=1e-4)
