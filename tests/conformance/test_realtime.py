from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from oracle.test_oracle import why_not
from speech_adapters.config import Settings, load_settings
from speech_compat.testing.loopback import Line, LoopbackService, Script

# The first second has no speech, because the silent recordings of the suite last a second.
LINES = (
    Line("A double heard this.", 12_000_000, 9_000_000, "Guest-1", ("a", "a double")),
    Line("And this.", 22_000_000, 6_000_000, "Guest-2", ("and",)),
)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    if why_not():
        pytest.skip(why_not())
    with LoopbackService(Script(LINES)).running() as url:
        yield url


class TestRealtime(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, service: str) -> Settings:
        return load_settings(
            {
                "backend": "realtime",
                "state_dir": str(tmp_path / "state"),
                "backends.realtime.endpoint": service,
                "backends.realtime.key": "any",
                "backends.realtime.pace": "100",
            }
        )
