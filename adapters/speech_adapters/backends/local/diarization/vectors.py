"""The length of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["unit"]


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the vectors, shape (..., dimension), scaled to unit length.

    Vectors of zeros stay as they are.
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[np.float64] = vectors / np.maximum(lengths, 1e-12)
    return scaled
