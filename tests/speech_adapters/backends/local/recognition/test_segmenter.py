"""The segmenter with a double of the activity: a sample of 1.0 is speech, 0.0 is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_adapters.backends.local.recognition import segmenter
from speech_adapters.backends.local.recognition.activity import FRAME_SAMPLES
from speech_adapters.backends.local.recognition.segmenter import SpeechSegment, SpeechSegmenter

RATE = 16_000


class Activity:
    """Reads each frame's probability from its first sample."""

    def add(self, samples: NDArray[np.float32]) -> list[float]:
        return [float(p) for p in samples[::FRAME_SAMPLES]]


@pytest.fixture
def cutter(monkeypatch: pytest.MonkeyPatch) -> SpeechSegmenter:
    monkeypatch.setattr(segmenter, "SpeechActivity", Activity)
    return SpeechSegmenter()


def add(cutter: SpeechSegmenter, value: float, seconds: float) -> list[SpeechSegment]:
    frames = round(seconds * RATE / FRAME_SAMPLES)
    audio = np.full(FRAME_SAMPLES, value, np.float32)
    return [found for _ in range(frames) for found in cutter.add(audio)]


def test_a_segment_has_its_audio_and_a_number(cutter: SpeechSegmenter) -> None:
    add(cutter, 0.0, 2.0)
    add(cutter, 1.0, 3.0)
    (found,) = add(cutter, 0.0, 1.0)
    assert found.number == 0
    assert found.start == pytest.approx(1.7, abs=0.05)
    assert found.end == pytest.approx(5.0, abs=0.05)
    assert found.samples.sum() / RATE == pytest.approx(3.0, abs=0.05)
    assert len(found.context) == 0


def test_the_segment_in_progress_grows(cutter: SpeechSegmenter) -> None:
    assert cutter.current is None
    add(cutter, 1.0, 1.0)
    current = cutter.current
    assert current is not None
    add(cutter, 1.0, 1.0)
    later = cutter.current
    assert later is not None
    assert later.number == current.number
    assert len(later.samples) - len(current.samples) == pytest.approx(RATE, abs=FRAME_SAMPLES)


def test_the_speech_before_a_segment_is_its_context(cutter: SpeechSegmenter) -> None:
    add(cutter, 1.0, 2.0)
    (first,) = add(cutter, 0.0, 0.8)
    add(cutter, 1.0, 1.0)
    (second,) = add(cutter, 0.0, 0.8)
    assert second.number == 1
    assert second.start - len(second.context) / RATE == pytest.approx(first.start, abs=1e-3)


def test_speech_long_before_a_segment_is_no_context(cutter: SpeechSegmenter) -> None:
    add(cutter, 1.0, 2.0)
    add(cutter, 0.0, 15.0)
    add(cutter, 1.0, 1.0)
    (found,) = add(cutter, 0.0, 0.8)
    assert len(found.context) == 0


def test_the_end_of_the_audio_ends_the_segment(cutter: SpeechSegmenter) -> None:
    add(cutter, 1.0, 1.0)
    assert [found.number for found in cutter.finish()] == [0]
    assert [*cutter.finish()] == []


def test_the_audio_in_memory_is_bounded(cutter: SpeechSegmenter) -> None:
    for _ in range(30):
        add(cutter, 1.0, 3.0)
        add(cutter, 0.0, 0.8)
        assert len(cutter._audio) < 20 * RATE
    add(cutter, 0.0, 20.0)
    assert len(cutter._audio) < RATE
