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
def rest_double() -> Iterator[ServiceDouble]:
    """Run batch and fast transcription."""
    double = ServiceDouble()
    with running(double):
        yield double


@pytest.fixture
def service(rest_double: ServiceDouble) -> str:
    """Return the address of batch and fast transcription."""
    return rest_double.url


@pytest.fixture(scope="module")
def speech_double() -> Iterator[tuple[LoopbackService, str]]:
    """Run real-time transcription; yield it and its address."""
    if why_not():
        pytest.skip(why_not())
    double = LoopbackService(Script(LINES))
    with double.running() as url:
        yield double, url


@pytest.fixture
def loopback(speech_double: tuple[LoopbackService, str]) -> str:
    """Return the address of real-time transcription."""
    return speech_double[1]
