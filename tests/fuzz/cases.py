"""What all fuzz tests share: the number of cases, and strategies for odd data.

The cases are the same in every run; ``SPEECH_COMPAT_FUZZ_CASES`` sets another number of them.
"""

from __future__ import annotations

import os
import struct
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

__all__ = ["CASES", "DEEP", "ODD", "damaged", "fuzz", "wav"]

CASES = int(os.environ.get("SPEECH_COMPAT_FUZZ_CASES", "150"))
fuzz = settings(
    max_examples=CASES,
    derandomize="SPEECH_COMPAT_FUZZ_CASES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# Values where a document has another one.
ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, 0, -1, 1.0, 1.5, 1e308, -1e308, 10**30, 2**63, -0.0, 1e-320, [], {}, [None]]
    ),
    st.sampled_from(
        ["", "PT1S", "PT.S", "PT1.2.3S", "P" + "9" * 400 + "D", "PT٣S", "nan", "\0", "\u202e"]
    ),
    st.text(max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
DEEP = b"[" * 200_000


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Return strategies for ``data`` with some bytes replaced, inserted or missing."""
    change = st.tuples(
        st.integers(0, len(data)),
        st.integers(0, 9),
        st.one_of(st.binary(max_size=8), st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"])),
    )

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        found = data
        for start, size, new in changes:
            found = found[:start] + new + found[start + size :]
        return found

    return st.lists(change, min_size=1, max_size=4).map(apply)


def wav(tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    block = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    data = bytes(index & 255 for index in range(200))
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data\xc8\0\0\0" + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
