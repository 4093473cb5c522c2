from __future__ import annotations

import numpy as np
import pytest

from speech_adapters.backends.local.diarization.assignment import Span, assign
from speech_adapters.backends.local.diarization.embedding import EmbeddedStretch, windows
from speech_adapters.backends.local.diarization.segmentation import Stretch, to_frames

CENTROIDS = np.eye(3)


def stretch(
    begin: float, end: float, voices: list[tuple[float, int]], *overlaps: tuple[float, float]
) -> EmbeddedStretch:
    """Return a stretch of speech; ``voices`` are pairs of the end of a voice and its index."""
    where = Stretch(
        to_frames(begin), to_frames(end), tuple((to_frames(b), to_frames(e)) for b, e in overlaps)
    )
    places = windows(where)
    embeddings = []
    for first, last in places:
        shares = np.zeros(3)
        for frame in range(first, last):
            shares[next(v for until, v in voices if frame < to_frames(until))] += 1
        embeddings.append(shares)
    return EmbeddedStretch(where, tuple(places), np.array(embeddings, np.float16))


def spans(*expected: tuple[float, float, int]) -> list[tuple[int, int, int]]:
    return [(to_frames(b), to_frames(e), c) for b, e, c in expected]


def found(*speech: EmbeddedStretch) -> list[tuple[int, int, int]]:
    return [(span.begin, span.end, span.cluster) for span in assign(speech, CENTROIDS)]


def test_each_stretch_belongs_to_the_closest_voice() -> None:
    speech = stretch(3, 7, [(7, 1)]), stretch(8, 8.5, [(9, 0)]), stretch(9, 14, [(14, 2)])
    assert found(*speech) == spans((3, 7, 1), (8, 8.5, 0), (9, 14, 2))


def test_a_change_within_a_stretch_is_found_at_its_place() -> None:
    (first, second) = found(stretch(1, 11, [(5, 0), (11, 2)]))
    assert (first[2], second[2]) == (0, 2)
    assert first[1] == second[0] == pytest.approx(to_frames(5), abs=to_frames(0.3))


def test_a_single_unclear_window_makes_no_change() -> None:
    speech = stretch(0, 10, [(10, 0)])
    speech.embeddings[4] = [0.70, 0.72, 0]
    assert found(speech) == spans((0, 10, 0))


def test_a_clearer_voice_for_an_instant_is_not_worth_two_changes() -> None:
    speech = stretch(0, 10, [(10, 0)])
    speech.embeddings[4] = [0.5, 0.85, 0]
    assert found(speech) == spans((0, 10, 0))
    speech.embeddings[4] = [0.0, 1.0, 0]
    assert [cluster for _, _, cluster in found(speech)] == [0, 1, 0]


def test_two_parts_of_a_voice_are_joined_over_a_short_gap() -> None:
    speech = stretch(0, 2, [(2, 1)]), stretch(2.1, 4, [(4, 1)]), stretch(4.3, 6, [(6, 1)])
    assert found(*speech) == spans((0, 4, 1), (4.3, 6, 1))


def test_an_overlap_has_the_second_voice_that_is_nearby() -> None:
    speech = stretch(0, 4, [(4, 2)]), stretch(4, 8, [(8, 0)], (4.0, 4.6))
    # Without the neighbor, voice 1 would be closest.
    speech[1].embeddings[0] += np.array([0, 0.1, 0], np.float16)
    assert found(*speech) == spans((0, 4.6, 2), (4, 8, 0))


def test_an_overlap_far_from_others_has_the_second_best_voice() -> None:
    speech = stretch(0, 4, [(4, 0)], (2.0, 3.0))
    speech.embeddings[:, 1] = 0.2 * speech.embeddings[:, 0]
    assert found(speech) == spans((0, 4, 0), (2, 3, 1))


def test_a_single_speaker_does_not_overlap_with_itself() -> None:
    speech = stretch(0, 4, [(4, 0)], (2.0, 3.0))
    assert assign([speech], CENTROIDS[:1]) == [Span(0, to_frames(4), 0)]


def test_no_speech_has_no_spans() -> None:
    assert assign([], np.zeros((0, 3))) == []
