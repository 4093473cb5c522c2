"""Fixtures: the loopback speech service with the real SDK as its client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from oracle.test_oracle import why_not
from speech_adapters.config import Settings, load_settings
from speech_compat.testing.loopback import LoopbackService, Script

__all__ = ["configure", "play"]


@pytest.fixture
def play() -> Iterator[Callable[[Script], tuple[LoopbackService, str]]]:
    """Return a function that serves a script; it returns the service and its address."""
    if why_not():
        pytest.skip(why_not())
    with ExitStack() as stack:

        def serve(script: Script) -> tuple[LoopbackService, str]:
            service = LoopbackService(script)
            return service, stack.enter_context(service.running())

        yield serve


@pytest.fixture
def configure(tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that makes settings for an address; keywords change options."""

    def make(url: str, **options: Any) -> Settings:
        given = {"endpoint": url, "key": "any", "pace": "100", "retry_seconds": "0", **options}
        return load_settings(
            {
                "backend": "realtime",
                "state_dir": str(tmp_path / "state"),
                **{f"backends.realtime.{name}": value for name, value in given.items()},
            }
        )

    return make
