from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
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


# docs/protocol/legacy-interface.md, 5.3.
REMOTE = {
    "identification": Proof("bWFkZSB1cA=="),
    "max_channels": Proof('"channels": 2'),
    "setting profanity": Proof('"profanity": "removed"'),
}


class TestRemoteMeeting(ClaimConformance, DoubleConformance):
    """A service with the retired interface; a subclass overrides ``remote``."""

    @pytest.fixture
    def meetings_double(self) -> Iterator[RemoteMeetings]:
        """Run the double of the service."""
        if why_not():
            pytest.skip(why_not())
        double = RemoteMeetings(Script(LINES))
        with double.running():
            yield double

    @pytest.fixture
    def remote(self, meetings_double: RemoteMeetings) -> dict[str, str]:
        """Return the options that name the service and its key."""
        return {**meetings_double.addresses, "key": KEY}

    @pytest.fixture
    def proofs(self) -> Mapping[str, Proof]:
        return REMOTE

    @pytest.fixture
    def received(self, meetings_double: RemoteMeetings) -> Callable[[], Any]:
        def last() -> Any:
            meeting = meetings_double.loopback.meetings[-1]
            return [dict(meeting.query), meeting.details, {"channels": meeting.pcm.channels}]

        return last

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
    def received(self) -> Callable[[], Any]:
        return pytest.skip("the gateway shows nothing of what it receives")

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
