from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from double.speaker_models import ToneModels, recording
from speech_adapters.backends.local.diarization.buffer import AudioBuffer
from speech_adapters.backends.local.diarization.segmentation import (
    Segmenter,
    Stretch,
    frame_time,
    runs,
    to_frames,
)

# A frame of the model is 62 ms long.
CLOSE = 0.062


def segment(
    turns: list[tuple[float, float, int]], seconds: float, models: ToneModels | None = None
) -> list[Stretch]:
    audio = AudioBuffer()
    audio.append(recording(turns, seconds))
    segmenter = Segmenter(models or ToneModels())
    stretches = []
    while segmenter.read_chunk(audio):
        stretches += segmenter.take()
    return stretches + segmenter.remaining(audio)


def times(stretches: list[Stretch]) -> list[tuple[float, float]]:
    return [(frame_time(s.begin), frame_time(s.end)) for s in stretches]


def same(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> bool:
    return len(found) == len(expected) and bool(
        np.allclose(np.array(found), np.array(expected), atol=CLOSE)
    )


@settings(derandomize=True, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.integers(0, 4), st.integers(1, 5))
def test_runs_are_joined_before_short_ones_are_left_out(
    mask: list[bool], gap: int, shortest: int
) -> None:
    filled = list(mask)
    for i in range(len(mask)):
        before = any(mask[j] for j in range(max(0, i - gap), i + 1))
        if not mask[i] and before:
            last = max(j for j in range(i) if mask[j])
            after = next((j for j in range(i, len(mask)) if mask[j]), None)
            filled[i] = after is not None and after - last - 1 <= gap
    expected, begin = [], None
    for i, on in enumerate([*filled, False]):
        if on and begin is None:
            begin = i
        elif not on and begin is not None:
            if i - begin >= shortest:
                expected.append((begin, i))
            begin = None
    assert runs(np.array(mask, np.bool_), gap, shortest) == expected


@pytest.mark.parametrize("seconds", [6.0, 10.0, 13.3, 31.0])
def test_speech_is_found_where_it_is(seconds: float) -> None:
    stretches = segment([(1, 2.5, 0), (3.5, 5, 1)], seconds)
    assert same(times(stretches), [(1, 2.5), (3.5, 5)])


def test_speech_in_all_parts_of_a_recording_is_found() -> None:
    turns = [(t, t + 1.5, i % 3) for i, t in enumerate(np.arange(0.5, 58, 2.3).tolist())]
    assert same(times(segment(turns, 60)), [(b, e) for b, e, _ in turns])


def test_speech_lasts_up_to_the_end() -> None:
    (stretch,) = segment([(2, 30, 1)], 12.34)
    assert frame_time(stretch.end) == pytest.approx(12.34, abs=0.05)


def test_a_short_pause_is_no_end_of_speech() -> None:
    # But somebody else may speak after it.
    stretches = segment([(1, 3, 0), (3.2, 6, 0)], 20)
    assert stretches[0].end == stretches[1].begin
    assert same([(frame_time(stretches[0].begin), frame_time(stretches[1].end))], [(1, 6)])
    # Also where a chunk ends.
    stretches = segment([(1, 2.4, 0), (2.6, 6, 0)], 20)
    assert stretches[0].end == stretches[1].begin
    assert same(times(segment([(1, 3, 0), (3.5, 6, 0)], 20)), [(1, 3), (3.5, 6)])


def test_a_stretch_ends_where_another_voice_begins() -> None:
    assert same(times(segment([(1, 4, 0), (4, 8, 1)], 20)), [(1, 4), (4, 8)])


def test_each_of_several_voices_has_a_stretch() -> None:
    found = times(segment([(1, 4, 0), (4, 7, 1), (7, 10, 2)], 20))
    assert same(found, [(1, 4), (4, 7), (7, 10)])


def test_no_stretch_is_too_short_for_an_embedding() -> None:
    assert same(times(segment([(1, 4, 0), (4, 4.25, 1)], 20)), [(1, 4.25)])


class OneChunk(ToneModels):
    """Detects a voice, or a second one, only in the first chunks."""

    def __init__(self, chunks: int, voices: int) -> None:
        super().__init__()
        self.chunks = chunks
        self.voices = voices

    def segment(self, samples: NDArray[np.float32]) -> NDArray[np.bool_]:
        active = super().segment(samples)
        self.chunks -= 1
        if self.chunks < 0:
            active[:, self.voices - 1 :] = False
        return active


@pytest.mark.parametrize(("chunks", "found"), [(1, False), (4, True)])
def test_most_chunks_decide_whether_there_is_speech_or_an_overlap(chunks: int, found: bool) -> None:
    # Four chunks see this place.
    one = segment([(8, 9.5, 0)], 20, OneChunk(chunks, 1))
    assert bool(one) == found
    two = segment([(8, 9.5, 0), (8, 9.5, 1)], 20, OneChunk(chunks, 2))
    assert [bool(stretch.overlaps) for stretch in two] == [found]


def test_a_noise_is_no_speech() -> None:
    assert segment([(1, 1.08, 0)], 20) == []
    assert segment([], 20) == []


def test_frames_with_two_voices_overlap() -> None:
    stretches = segment([(1, 5, 0), (4, 8, 1)], 20)
    assert same(times(stretches), [(1, 4), (4, 8)])
    ((begin, end),) = stretches[1].overlaps
    assert same([(frame_time(begin), frame_time(end))], [(4, 5)])
    assert stretches[0].overlaps == ()


def test_speech_without_a_pause_is_divided() -> None:
    stretches = segment([(1, 95, 0)], 100)
    assert frame_time(stretches[0].begin) == pytest.approx(1, abs=CLOSE)
    assert frame_time(stretches[-1].end) == pytest.approx(95, abs=CLOSE)
    assert all(a.end == b.begin for a, b in itertools.pairwise(stretches))
    assert all(s.end - s.begin <= to_frames(35) for s in stretches)


def test_frames_that_were_taken_are_forgotten() -> None:
    audio = AudioBuffer()
    segmenter = Segmenter(ToneModels())
    for _ in range(20):
        audio.append(recording([(1, 3, 0), (4, 9, 1)], 10))
        while segmenter.read_chunk(audio):
            segmenter.take()
        audio.drop(segmenter.begin * 270)
        assert segmenter.next_chunk - segmenter.begin < to_frames(10)
    assert segmenter.next_chunk == pytest.approx(to_frames(190), abs=to_frames(2.5))


def test_what_remains_can_be_asked_for_again() -> None:
    audio = AudioBuffer()
    audio.append(recording([(1, 3, 0), (7, 20, 1)], 15))
    segmenter = Segmenter(ToneModels())
    while segmenter.read_chunk(audio):
        segmenter.take()
    assert segmenter.remaining(audio) == segmenter.remaining(audio) != []


@pytest.mark.parametrize("samples", [0, 1, 990, 991, 1500])
def test_audio_that_is_too_short_has_no_speech(samples: int) -> None:
    audio = AudioBuffer()
    audio.append(np.ones(samples, np.float32))
    assert Segmenter(ToneModels()).remaining(audio) == []
