from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from double.speaker_models import ToneModels, recording
from speech_adapters.backends.local.diarization.buffer import AudioBuffer
from speech_adapters.backends.local.diarization.embedding import (
    EmbeddedStretch,
    Embedder,
    embed,
    embed_window,
    long_embeddings,
    windows,
)
from speech_adapters.backends.local.diarization.segmentation import Stretch, to_frames


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4000))
def test_windows_cover_a_stretch(begin: int, length: int) -> None:
    places = windows(Stretch(begin, begin + length, ()))
    assert places[0][0] == begin
    assert places[-1][1] == begin + length
    for (first, last), (following, _) in itertools.pairwise(places):
        assert first < following <= last
    assert all(last - first <= to_frames(1.9) for first, last in places)
    # The last two are no repetition of each other.
    assert all(b - a >= to_frames(0.3) for (a, _), (b, _) in itertools.pairwise(places))


@settings(derandomize=True, deadline=None)
@given(st.integers(200, 3000), st.integers(1, 100))
def test_windows_of_a_growing_stretch_stay_except_the_last(length: int, more: int) -> None:
    shorter = windows(Stretch(7, 7 + length, ()))
    longer = windows(Stretch(7, 7 + length + more, ()))
    assert longer[: len(shorter) - 1] == shorter[:-1]


def buffer(turns: list[tuple[float, float, int]], seconds: float) -> AudioBuffer:
    audio = AudioBuffer()
    audio.append(recording(turns, seconds))
    return audio


@pytest.mark.parametrize(("begin", "end"), [(2.0, 4.0), (2.0, 2.1), (5.0, 6.0), (7.8, 8.0)])
def test_a_window_is_embedded_from_its_place(begin: float, end: float) -> None:
    audio = buffer([(1, 4.5, 0), (4.5, 8, 2)], 8)
    found = embed_window(ToneModels(), audio, to_frames(begin), to_frames(end))
    expected = ToneModels().embed_tone(0 if begin < 4.5 else 2)
    assert found @ expected / np.linalg.norm(found) > 0.9


def test_a_recording_shorter_than_a_window_has_an_embedding() -> None:
    class Lengths(ToneModels):
        def embed(self, bands: NDArray[np.float32]) -> NDArray[np.float32]:
            assert len(bands) == 38, "0.4 s are expected"
            return super().embed(bands)

    assert embed_window(Lengths(), buffer([(0, 1, 1)], 0.2), 0, 10).any()


def test_a_window_is_embedded_once_while_it_is_used() -> None:
    models = ToneModels()
    embedder = Embedder(models, buffer([(0, 9, 1)], 10))
    stretch = Stretch(0, to_frames(6), ())
    first = embedder.embed(stretch)
    count = models.embedded
    assert count == len(first.windows)
    embedder.forget_unused()
    again = embedder.embed(stretch)
    assert models.embedded == count
    assert np.array_equal(first.embeddings, again.embeddings)
    embedder.forget_unused()
    embedder.forget_unused()
    embedder.embed(stretch)
    assert models.embedded == 2 * count


def embedded(*lengths: float) -> EmbeddedStretch:
    places = tuple((0, to_frames(length)) for length in lengths)
    values = np.arange(len(lengths), dtype=np.float16)[:, None]
    return EmbeddedStretch(Stretch(0, 1, ()), places, values)


def test_short_windows_form_no_clusters() -> None:
    speech = [embedded(2.0, 0.5), embedded(0.9, 1.0)]
    assert long_embeddings(speech).ravel().tolist() == [0, 1]
    assert long_embeddings([*speech, embedded(2, 2, 2)]).ravel().tolist() == [0, 1, 0, 1, 2]


def test_short_windows_count_where_there_are_no_others() -> None:
    assert long_embeddings([embedded(0.5, 0.5), embedded(1.5)]).ravel().tolist() == [0, 1, 0]


def test_the_voice_of_a_recording_is_the_mean_of_its_speech() -> None:
    samples = recording([(1, 7, 1), (9, 30, 1)], 32)
    found = embed(ToneModels(), samples)
    assert found is not None
    assert np.linalg.norm(found.vector) == pytest.approx(1.0)
    assert found.vector.dtype == np.float32
    assert found.speech == pytest.approx(27, abs=0.2)
    assert found.agreement > 0.9
    expected = ToneModels().embed_tone(1)
    assert found.vector @ expected > 0.95


def test_two_voices_do_not_agree() -> None:
    found = embed(ToneModels(), recording([(1, 9, 1), (9.5, 18, 2)], 20))
    assert found is not None
    assert found.agreement < 0.8


def test_the_agreement_is_that_of_the_piece_that_fits_least() -> None:
    found = embed(ToneModels(), recording([(1, 25, 1), (26, 29, 2)], 30))
    assert found is not None
    assert found.agreement < 0.4


@pytest.mark.parametrize("seconds", [0.0, 0.5, 25.0])
def test_a_recording_without_speech_has_no_voice(seconds: float) -> None:
    assert embed(ToneModels(), recording([], seconds)) is None


def test_a_voice_is_not_printed() -> None:
    found = embed(ToneModels(), recording([(0, 5, 1)], 6))
    assert "array" not in repr(found)
