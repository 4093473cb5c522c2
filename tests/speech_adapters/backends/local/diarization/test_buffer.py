from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_adapters.backends.local.diarization.buffer import AudioBuffer


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.floats(0, 1)), min_size=1, max_size=6),
    st.integers(0, 100),
)
def test_what_was_not_dropped_can_be_read(steps: list[tuple[int, float]], margin: int) -> None:
    whole = np.zeros(0, np.float32)
    buffer = AudioBuffer()
    kept = 0
    for length, share in steps:
        more = np.arange(len(whole), len(whole) + length, dtype=np.float32)
        whole = np.concatenate([whole, more])
        buffer.append(more)
        kept += int(share * (len(whole) - kept))
        buffer.drop(kept)
        assert buffer.end == len(whole)
        assert np.array_equal(buffer.read(kept, len(whole) + margin), whole[kept:])
        middle = (kept + len(whole)) // 2
        assert np.array_equal(buffer.read(middle, middle + margin), whole[middle:][:margin])


def test_dropping_what_is_gone_changes_nothing() -> None:
    buffer = AudioBuffer()
    buffer.append(np.arange(10, dtype=np.float32))
    buffer.drop(6)
    buffer.drop(2)
    assert buffer.read(6, 10).tolist() == [6, 7, 8, 9]


def test_samples_that_were_dropped_cannot_be_read() -> None:
    buffer = AudioBuffer()
    buffer.append(np.arange(10, dtype=np.float32))
    buffer.drop(6)
    with pytest.raises(AssertionError, match="dropped"):
        buffer.read(5, 10)
