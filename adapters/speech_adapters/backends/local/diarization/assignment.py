"""Assignment of speech to speakers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization.embedding import EmbeddedStretch
from speech_adapters.backends.local.diarization.segmentation import (
    FRAME_SECONDS,
    runs,
    to_frames,
)
from speech_adapters.backends.local.diarization.vectors import unit

__all__ = ["Span", "Turn", "assign"]

# A change of speaker within a stretch costs as much as .15 s of a cosine of 1.
_CHANGE_COST: Final = 0.15 / FRAME_SECONDS
_NEARBY: Final = to_frames(2.0)
_NEARBY_BONUS: Final = 0.3
_LONGEST_GAP: Final = to_frames(0.15)
_SHORTEST_TURN: Final = to_frames(0.1)


@attrs.frozen
class Turn:
    """A stretch of speech of one speaker.  Turns of two speakers may overlap.

    Attributes:
        start: seconds from the start of the recording.
        end: seconds from the start of the recording.
        speaker: number of the speaker, 0-based by first appearance.
    """

    start: float
    end: float
    speaker: int


@attrs.frozen(order=True)
class Span:
    """Frames that are assigned to a cluster."""

    begin: int
    end: int
    cluster: int


def assign(speech: Sequence[EmbeddedStretch], centroids: NDArray[np.float64]) -> list[Span]:
    """Return the frames of each cluster.

    Args:
        speech: consecutive stretches.
        centroids: of unit length; shape (clusters, dimension).
    """
    if not speech:
        return []
    origin = speech[0].stretch.begin
    active = np.zeros((speech[-1].stretch.end - origin, len(centroids)), np.bool_)
    overlaps = []
    for item in speech:
        scores = _frame_scores(item, centroids)
        begin = item.stretch.begin
        active[np.arange(len(scores)) + begin - origin, _decode(scores)] = True
        for first, last in item.stretch.overlaps:
            mean = scores[first - begin : last - begin].mean(axis=0)
            overlaps.append((first - origin, last - origin, mean))
    if len(centroids) > 1:
        # When all first speakers are known.
        for overlap in overlaps:
            _add_second(active, *overlap)
    return sorted(
        Span(origin + begin, origin + end, cluster)
        for cluster in range(len(centroids))
        for begin, end in runs(active[:, cluster], _LONGEST_GAP, _SHORTEST_TURN)
    )


def _add_second(
    active: NDArray[np.bool_], begin: int, end: int, scores: NDArray[np.float64]
) -> None:
    """Add a second cluster to each frame of an overlap, by the mean scores there."""
    # Someone who speaks before or after is more likely than a stranger.
    nearby = active[max(0, begin - _NEARBY) : end + _NEARBY].any(axis=0)
    candidates = np.where(active[begin:end], -np.inf, scores + _NEARBY_BONUS * nearby)
    active[np.arange(begin, end), candidates.argmax(axis=1)] = True


def _frame_scores(item: EmbeddedStretch, centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of each frame with each centroid, shape (frames, clusters)."""
    similar = unit(item.embeddings.astype(np.float64)) @ centroids.T
    begin = item.stretch.begin
    total = np.zeros((item.stretch.end - begin, len(centroids)))
    weights = np.zeros((len(total), 1))
    for (first, last), cosines in zip(item.windows, similar, strict=True):
        # The middle of a window shows most of its speaker.
        weight = np.hanning(last - first + 2)[1:-1, None] + 0.05
        total[first - begin : last - begin] += weight * cosines
        weights[first - begin : last - begin] += weight
    return np.asarray(total / weights)


def _decode(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the best cluster of each frame, where a change has a cost (Viterbi)."""
    clusters = np.arange(scores.shape[1])
    total = scores[0].copy()
    previous = np.zeros(scores.shape, np.intp)
    for frame in range(1, len(scores)):
        best = int(total.argmax())
        changed = total[best] - _CHANGE_COST
        previous[frame] = np.where(total >= changed, clusters, best)
        total = np.maximum(total, changed) + scores[frame]
    path = np.zeros(len(scores), np.intp)
    path[-1] = total.argmax()
    for frame in range(len(scores) - 1, 0, -1):
        path[frame - 1] = previous[frame, path[frame]]
    return path
