"""Numbers of speakers that keep their meaning while the estimate changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbering"]

# A voice with a lower cosine to a known one gets a number of its own.
_SAME_VOICE: Final = 0.5


class Numbering:
    """Numbers the clusters of one estimate after the other.

    Args:
        dimension: length of an embedding.

    Attributes:
        voices: the latest centroid of each number, shape (numbers, dimension).
    """

    def __init__(self, dimension: int) -> None:
        self.voices = np.zeros((0, dimension))

    def number(
        self, centroids: NDArray[np.float64], by_appearance: Iterable[int]
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Return the number of each cluster.

        Args:
            centroids: shape (clusters, dimension), of unit length.
            by_appearance: the clusters that have speech, in the order of their first.

        Returns:
            The number of each cluster that is in ``by_appearance`` or was known, and for
            each number that no cluster has, the number of the closest cluster.
        """
        numbers = self._known(centroids)
        for cluster in by_appearance:
            if cluster not in numbers:
                numbers[cluster] = len(self.voices)
                self.voices = np.vstack([self.voices, centroids[cluster]])
        for cluster, number in numbers.items():
            self.voices[number] = centroids[cluster]
        taken = list(numbers.values())
        gone = (number for number in range(len(self.voices)) if number not in taken)
        # `taken` is empty only while there are no voices at all.
        return numbers, {
            n: taken[int((self.voices[taken] @ self.voices[n]).argmax())] for n in gone
        }

    def _known(self, centroids: NDArray[np.float64]) -> dict[int, int]:
        """Match clusters to numbers one to one, the most similar first."""
        numbers: dict[int, int] = {}
        similar = centroids @ self.voices.T
        while similar.size and similar.max() >= _SAME_VOICE:
            cluster, number = divmod(int(similar.argmax()), similar.shape[1])
            numbers[cluster] = number
            similar[cluster] = similar[:, number] = -1.0
        return numbers
