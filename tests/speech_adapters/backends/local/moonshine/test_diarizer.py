from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speech_adapters.audio import WavFile
from speech_adapters.backends.local.moonshine.diarizer import MoonshineDiarizer
from speech_adapters.backends.local.recognition.resampling import Resampler

pytestmark = pytest.mark.engine


def test_turns_are_in_order_and_speakers_keep_their_numbers(shipped_recordings: Path) -> None:
    with WavFile(shipped_recordings / "beckett.wav") as file:
        samples = Resampler(file.pcm.sample_rate).add(file.read(10**6))
    with MoonshineDiarizer() as diarizer:
        diarizer.add_audio(samples)
        before = diarizer.current()
        found = diarizer.finish()
    assert [turn.start for turn in found.turns] == sorted(turn.start for turn in found.turns)
    assert {turn.speaker for turn in found.turns} == set(range(len(found.speech)))
    assert {turn.speaker for turn in before.turns} <= set(range(len(found.speech)))
    assert 5 < sum(found.speech) < 10
    # It resembles no voice, so no participant is identified.
    assert found.embeddings.shape == (len(found.speech), 256)
    assert not np.any(found.embeddings)
