from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.gateway import KEYS, serving, settings_of
from double.remote_meetings import KEY, RemoteMeetings
from oracle.test_oracle import why_not
from speech_adapters.config import Settings, load_settings
from speech_compat.testing.loopback import Line, Script

# The first second has no speech, because the silent recordings of the suite last a second.
LINES = (
    Line("A double heard this.", 12_000_000, 9_000_000, "Guest_0", ("a", "a double")),
    Line("And this.", 22_000_000, 6_000_000, "Guest_1", ("and",)),
)


class TestRemoteMeeting(DoubleConformance):
    """A service with the retired interface; a subclass overrides ``remote``."""

    @pytest.fixture
    def remote(self) -> Iterator[dict[str, str]]:
        """Yield the options that name the service and its key."""
        if why_not():
            pytest.skip(why_not())
        with RemoteMeetings(Script(LINES)).running() as addresses:
            yield {**addresses, "key": KEY}

    @pytest.fixture
    def settings(self, tmp_path: Path, remote: dict[str, str]) -> Settings:
        given = {"pace": "100", "poll_seconds": "0", "retry_seconds": "0", **remote}
        return load_settings(
            {
                "backend": "remote_meeting",
                "state_dir": str(tmp_path / "state"),
                **{f"backends.remote_meeting.{name}": value for name, value in given.items()},
            }
        )


@pytest.mark.engine
class TestRemoteMeetingOnGateway(TestRemoteMeeting):
    """The gateway of this project, over the backend ``local``."""

    @pytest.fixture
    def remote(self, tmp_path: Path) -> Iterator[dict[str, str]]:
        """Yield the options that name the gateway and a key."""
        if why_not():
            pytest.skip(why_not())
        with serving(settings_of(tmp_path / "gateway")) as address:
            yield {"endpoint": address, "key": KEYS["alice"]}

    @pytest.fixture
    def word(self) -> str:
        return "America"
