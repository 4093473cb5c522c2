"""What tests of the meeting service share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from double.recorder import Recorder
from speech_adapters import meetings as module
from speech_adapters.config import Settings
from speech_adapters.recording.backend import Host


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Recorder]]:
    """Make every backend a recorder; returns those that were created, by name."""
    created: dict[str, Recorder] = {}

    def create(_: Settings, name: str, host: Host) -> Recorder:
        assert name not in created, "a service creates each backend once"
        created[name] = Recorder(host, name)
        return created[name]

    monkeypatch.setattr(module, "create_backend", create)
    return created  # type: ignore[return-value]
