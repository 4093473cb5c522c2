"""The double of a meeting service, and settings for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from double.remote_meetings import KEY, RemoteMeetings
from oracle.test_oracle import why_not
from speech_adapters.config import Settings, load_settings
from speech_compat.testing.loopback import Script

Serve = Callable[..., tuple[RemoteMeetings, Callable[..., Settings]]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Return a function that serves a script.

    It returns the service, and a function that makes settings for it; keywords change options.
    """
    if why_not():
        pytest.skip(why_not())
    with ExitStack() as stack:

        def start(script: Script, polls: int = 1) -> tuple[RemoteMeetings, Callable[..., Settings]]:
            service = RemoteMeetings(script, polls)
            addresses = stack.enter_context(service.running())

            def configure(**options: Any) -> Settings:
                fast = {"pace": "100", "poll_seconds": "0", "retry_seconds": "0"}
                given = {**addresses, "key": KEY, **fast, **options}
                return load_settings(
                    {
                        "backend": "remote_meeting",
                        "state_dir": str(tmp_path / "state"),
                        **{f"backends.remote_meeting.{n}": v for n, v in given.items()},
                    }
                )

            return service, configure

        yield start
