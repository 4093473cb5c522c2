from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.clustering import (
    Clusters,
    agglomerate,
    cluster,
    divide,
    join,
    refine,
)
from speech_adapters.backends.local.diarization.vectors import unit

DIMENSION = 64


def voices(*counts: int, noise: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    """Return embeddings of voices at right angles: ``counts[0]`` of the first, and so on."""
    random = np.random.default_rng(seed)
    centers = np.repeat(np.eye(DIMENSION)[: len(counts)], counts, axis=0)
    return centers + random.normal(0, noise, centers.shape)


def axis_of(clusters: Clusters) -> list[int]:
    return [int(i) for i in np.abs(clusters.centroids).argmax(axis=1)]


def at_angle(cosine: float) -> Clusters:
    """Two centroids with a cosine."""
    second = [cosine, (1 - cosine**2) ** 0.5]
    return Clusters(np.array([[1.0, 0.0], second]), np.array([3.0, 1.0]))


def average(mean: Any, _weight: Any, means: Any, _weights: Any) -> Any:
    return means @ mean


def brute_average(vectors: NDArray[np.float64], threshold: float) -> list[list[int]]:
    """Average linkage by its definition, on all pairs."""
    groups = [[i] for i in range(len(vectors))]
    while len(groups) > 1:
        closeness = {
            (a, b): np.mean([vectors[i] @ vectors[j] for i in groups[a] for j in groups[b]])
            for a, b in itertools.combinations(range(len(groups)), 2)
        }
        a, b = max(closeness, key=lambda pair: closeness[pair])
        if closeness[a, b] < threshold:
            break
        groups[a] += groups.pop(b)
    return sorted(sorted(group) for group in groups)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(-0.5, 0.9))
def test_average_linkage_is_that_of_all_pairs(seed: int, count: int, threshold: float) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(count, 3)))
    labels = agglomerate(vectors, np.ones(count), average, threshold)
    groups = [np.flatnonzero(labels == label).tolist() for label in range(labels.max() + 1)]
    assert sorted(groups) == brute_average(vectors, threshold)


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 20), st.integers(1, 25))
def test_clusters_are_merged_down_to_a_count(vectors: int, count: int) -> None:
    rows = unit(np.random.default_rng(0).normal(size=(vectors, 4)))
    labels = agglomerate(rows, np.ones(vectors), average, count=count)
    assert sorted(set(labels.tolist())) == list(range(min(count, vectors)))


@pytest.mark.parametrize("counts", [(1,), (12,), (5, 9), (20, 20, 3), (8, 8, 8, 8, 8)])
def test_a_block_has_a_centroid_for_each_voice(counts: tuple[int, ...]) -> None:
    found = cluster(voices(*counts), None)
    assert sorted(axis_of(found)) == list(range(len(counts)))
    assert sorted(found.weights) == sorted(counts)
    assert np.linalg.norm(found.centroids, axis=1) == pytest.approx(1.0)


def test_repeated_audio_is_no_more_evidence() -> None:
    embeddings = voices(8, 8, noise=0.1)
    once, often = cluster(embeddings, None), cluster(np.tile(embeddings, (6, 1)), None)
    assert often.weights.tolist() == once.weights.tolist()


def test_the_order_of_the_windows_does_not_matter() -> None:
    embeddings = voices(6, 9, 4)
    shuffled = np.random.default_rng(1).permutation(embeddings)
    first, second = cluster(embeddings, None), cluster(shuffled, None)
    assert sorted(first.weights) == sorted(second.weights)


def test_centroids_closer_than_two_people_are_merged() -> None:
    found = join([at_angle(0.62)])
    assert len(found.weights) == 1
    assert found.weights[0] == 4.0
    # The heavier one counts more.
    assert found.centroids[0] @ [1.0, 0.0] > 0.95


def test_centroids_of_two_people_stay_apart() -> None:
    assert len(join([at_angle(0.58)]).weights) == 2


def test_a_voice_of_two_blocks_is_one_speaker() -> None:
    blocks = [cluster(voices(10, 10, seed=1), None), cluster(voices(10, 0, 10, seed=2), None)]
    found = join(blocks)
    assert dict(zip(axis_of(found), found.weights, strict=True)) == {0: 20, 1: 10, 2: 10}


def test_the_closest_are_merged_down_to_the_limit() -> None:
    third = np.array([[0.5, 0.0, 0.75**0.5]])
    both = Clusters(np.concatenate([np.eye(3)[:2], third]), np.ones(3))
    found = join([both], limit=2)
    assert sorted(found.weights) == [1.0, 2.0]
    assert len(join([both], limit=5).weights) == 3


def test_a_known_number_divides_a_voice_if_it_must() -> None:
    assert len(divide(voices(10, noise=0.2), 2).weights) == 2
    assert sorted(divide(voices(10, 7, 3), 3).weights) == [3, 7, 10]
    assert sorted(divide(voices(10, 10, 1, noise=0.01), 2).weights) in ([1, 20], [10, 11])


def test_a_known_number_is_found_among_many_windows() -> None:
    embeddings = np.random.default_rng(1).permutation(voices(2000, 700, 40, noise=0.03))
    assert sorted(divide(embeddings, 3).weights) == [40, 700, 2000]


def test_more_speakers_than_clusters_of_eight_windows_are_found() -> None:
    assert len(divide(voices(450), 60).weights) == 60


def test_many_windows_of_a_voice_outweigh_scattered_ones() -> None:
    close = unit(np.eye(2, DIMENSION) + [[0, 0.5], [0.5, 0]] @ np.eye(2, DIMENSION))
    scattered = unit(np.random.default_rng(0).normal(size=(60, DIMENSION)))
    embeddings = np.concatenate([np.repeat(close, 1000, axis=0), scattered])
    found = divide(np.random.default_rng(1).permutation(embeddings), 2)
    assert (found.centroids @ close.T).max(axis=0) == pytest.approx(1.0, abs=0.01)


def test_many_windows_are_never_compared_all_with_all() -> None:
    embeddings = voices(2000, 1000)
    tracemalloc.start()
    try:
        divide(embeddings, 2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A matrix of all pairs has 72 MB; the embeddings have 1.5 MB.
    assert peak < 16e6


def test_there_are_no_more_speakers_than_windows() -> None:
    assert len(divide(voices(1, 1), 5).weights) == 2


def test_centroids_move_to_their_embeddings() -> None:
    start = Clusters(unit(np.eye(DIMENSION)[:2] + 0.3 * np.eye(DIMENSION)[2:4]), np.ones(2))
    found = refine(voices(10, 10, noise=0.03), start)
    assert found.centroids[0] @ np.eye(DIMENSION)[0] > 0.99
    assert found.weights.tolist() == [10, 10]


def test_a_centroid_without_embeddings_is_dropped() -> None:
    start = Clusters(np.eye(DIMENSION)[:3], np.ones(3))
    assert axis_of(refine(voices(4, 0, 4), start)) == [0, 2]
