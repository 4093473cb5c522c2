"""The doubles of the services, each running for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from double.service import ServiceDouble, running
from oracle.test_oracle import why_not
from speech_compat.testing.loopback import Line, LoopbackService, Script

# The first second has no speech, because the silent recordings of the suite last a second.
LINES = (
    Line("A double heard this.", 12_000_000, 9_000_000, "Guest-1", ("a", "a double")),
    Line("And this.", 22_000_000, 6_000_000, "Guest-2", ("and",)),
)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Yield the address of batch and fast transcription."""
    with running(ServiceDouble()) as url:
        yield url


@pytest.fixture(scope="module")
def loopback() -> Iterator[str]:
    """Yield the address of real-time transcription."""
    if why_not():
        pytest.skip(why_not())
    with LoopbackService(Script(LINES)).running() as url:
        yield url
