from __future__ import annotations

import numpy as np

from speech_adapters.backends.local.diarization.vectors import unit


def test_zero_vectors_have_a_direction_without_nan() -> None:
    assert unit(np.zeros((2, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
