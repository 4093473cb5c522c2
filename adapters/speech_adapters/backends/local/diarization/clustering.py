"""Clustering of embeddings: one centroid for each speaker.

A block of windows is clustered by VBx (variational Bayes in the space of the PLDA), or by
average linkage where there is no PLDA.  The longer a recording, the more both divide its
speakers.  So blocks are short, and centroids that are closer than those of two people are
merged, within a block and across blocks.  Time and memory are linear in the length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.models import Plda
from speech_adapters.backends.local.diarization.vbx import vbx
from speech_adapters.backends.local.diarization.vectors import unit

__all__ = ["Clusters", "agglomerate", "cluster", "divide", "join", "refine"]

_Vectors: TypeAlias = NDArray[np.floating[Any]]
# Returns the closeness of one cluster to others, from mean and weight of each.
_Linkage: TypeAlias = Callable[[Any, Any, Any, Any], Any]

# Numbers of clusters from which VBx starts.  It never adds one, and from a single start it
# often ends with too many or too few.
_STARTS: Final = (1, 2, 3, 4, 5, 6, 8, 12)
# A speaker with a smaller share of the windows of a block is noise.  It is 3 windows of a
# full block, but less than one of a short recording, where each turn counts.
_SMALLEST_SHARE: Final = 0.02
# Average cosine from which two clusters are one speaker, without a PLDA.
_SAME_SPEAKER: Final = 0.3
# Cosine from which two windows have the same audio.  Windows that overlap by half reach .9.
_REPEATED: Final = 0.95
# Cosine of two centroids from which they are one speaker.
_MERGED: Final = 0.6
_ROUNDS: Final = 5
# Windows that are compared with each other at most, where the number of speakers is known.
# A matrix of all windows of eight hours would need 12 GB.
_PART: Final = 400
# Each step leaves one cluster for this many windows, few enough to hold one voice each.
_REDUCTION: Final = 8


@attrs.frozen(eq=False)
class Clusters:
    """The speakers of a block, or of several.

    Attributes:
        centroids: mean embeddings, of unit length; shape (speakers, dimension).
        weights: number of windows of each speaker; shape (speakers,).
    """

    centroids: NDArray[np.float64]
    weights: NDArray[np.float64]


def cluster(embeddings: _Vectors, plda: Plda | None) -> Clusters:
    """Return the speakers of one block.

    Args:
        embeddings: shape (windows, dimension), at least one.
        plda: the space for VBx, if the embeddings have one.
    """
    embeddings = _distinct(embeddings)
    vectors = unit(embeddings)
    if plda is None:
        labels = _group(vectors, _average, _SAME_SPEAKER)
        return join([_means(vectors, labels)])
    projected = plda.project(embeddings)
    starts = [_group(vectors, _average, count=count) for count in _STARTS if count <= len(vectors)]
    results = [vbx(projected, plda.between, labels) for labels in starts]
    shares = max(results, key=lambda result: result.evidence).shares
    shares = shares[:, shares.mean(axis=0) >= _SMALLEST_SHARE]
    return join([Clusters(unit(shares.T @ vectors), shares.sum(axis=0))])


def _distinct(embeddings: _Vectors) -> _Vectors:
    """Return the embeddings without repeated ones.

    Audio that is repeated, like an announcement, is no more evidence than once; but with
    more evidence a voice is divided into finer and finer parts.
    """
    vectors = unit(embeddings)
    repeated = np.tril(vectors @ vectors.T >= _REPEATED, -1).any(axis=1)
    return embeddings[~repeated]


def join(blocks: Sequence[Clusters], limit: int | None = None) -> Clusters:
    """Return the speakers of several blocks.

    Args:
        blocks: at least one.
        limit: the highest number of speakers.
    """
    centroids = np.concatenate([block.centroids for block in blocks])
    weights = np.concatenate([block.weights for block in blocks])
    found = _means(centroids, agglomerate(centroids, weights, _centroid, _MERGED), weights)
    if limit is None or len(found.weights) <= limit:
        return found
    labels = agglomerate(found.centroids, found.weights, _centroid, count=limit)
    return _means(found.centroids, labels, found.weights)


def divide(embeddings: _Vectors, count: int) -> Clusters:
    """Return a known number of speakers, or fewer if there are fewer embeddings."""
    points, weights = np.asarray(unit(embeddings), np.float64), np.ones(len(embeddings))
    # The last clusters must be more than the speakers.
    while len(points) > max(_PART, _REDUCTION * count):
        starts = range(0, len(points), _PART)
        parts = [_reduce(points[i : i + _PART], weights[i : i + _PART]) for i in starts]
        points, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    labels = agglomerate(points, weights, _ward, count=count)
    return refine(embeddings, _means(points, labels, weights))


def _reduce(
    points: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means and weights of the closest points, one for each eight."""
    count = -(-len(points) // _REDUCTION)
    members = _members(agglomerate(points, weights, _ward, count=count), weights)
    # Not scaled to unit length: the length shows how much a cluster scatters.
    return members.T @ points / members.sum(axis=0)[:, None], members.sum(axis=0)


def refine(embeddings: _Vectors, clusters: Clusters) -> Clusters:
    """Move each centroid to the mean of the embeddings that are closest to it (k-means)."""
    vectors = unit(embeddings)
    for _ in range(_ROUNDS):
        labels = (vectors @ clusters.centroids.T).argmax(axis=1)
        # A centroid that is closest to none is dropped.
        clusters = _means(vectors, np.unique(labels, return_inverse=True)[1])
    return clusters


def agglomerate(
    vectors: _Vectors,
    weights: _Vectors,
    linkage: _Linkage,
    threshold: float = -np.inf,
    count: int = 1,
) -> NDArray[np.intp]:
    """Merge the closest clusters until their closeness is below a threshold.

    Args:
        vectors: shape (n, dimension).
        weights: shape (n,).
        linkage: returns the closeness of one cluster to others.
        threshold: lowest closeness at which two clusters are merged.
        count: lowest number of clusters.

    Returns:
        A label for each vector, shape (n,), numbered from 0 by first appearance.
    """
    means, weights = vectors.astype(np.float64), weights.astype(np.float64)
    labels = np.arange(len(means))
    close = np.stack([linkage(m, w, means, weights) for m, w in zip(means, weights, strict=True)])
    np.fill_diagonal(close, -np.inf)
    for _ in range(len(means) - count):
        kept, gone = sorted(divmod(int(close.argmax()), len(means)))
        if close[kept, gone] < threshold:
            break
        labels[labels == gone] = kept
        both = weights[kept] + weights[gone]
        means[kept] = (weights[kept] * means[kept] + weights[gone] * means[gone]) / both
        weights[kept] = both
        # Neither to itself nor to the clusters that were merged before.
        excluded = np.isneginf(close[kept])
        close[kept] = np.where(excluded, -np.inf, linkage(means[kept], both, means, weights))
        close[:, kept] = close[kept]
        close[gone] = close[:, gone] = -np.inf
    return np.unique(labels, return_inverse=True)[1]


def _group(
    vectors: _Vectors, linkage: _Linkage, threshold: float = -np.inf, count: int = 1
) -> NDArray[np.intp]:
    return agglomerate(vectors, np.ones(len(vectors)), linkage, threshold, count)


def _average(mean: Any, _weight: Any, means: Any, _weights: Any) -> Any:
    """Average cosine of the members, if the vectors have unit length."""
    return means @ mean


def _centroid(mean: Any, _weight: Any, means: Any, _weights: Any) -> Any:
    """Cosine of the means."""
    return unit(means) @ unit(mean)


def _ward(mean: Any, weight: Any, means: Any, weights: Any) -> Any:
    """Growth of the variance within clusters, negative."""
    return -weight * weights / (weight + weights) * ((means - mean) ** 2).sum(axis=1)


def _means(
    vectors: _Vectors, labels: NDArray[np.intp], weights: _Vectors | None = None
) -> Clusters:
    members = _members(labels, np.ones(len(labels)) if weights is None else weights)
    return Clusters(unit(members.T @ vectors), members.sum(axis=0))


def _members(labels: NDArray[np.intp], weights: _Vectors) -> NDArray[np.float64]:
    """Return the weight of each vector in its cluster, shape (vectors, clusters)."""
    return np.where(labels[:, None] == np.arange(labels.max() + 1), weights[:, None], 0.0)
