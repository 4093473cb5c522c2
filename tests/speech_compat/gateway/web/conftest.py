"""What tests of the web page share."""

from __future__ import annotations

import pytest

from double.recorder import Recorder
from double.web import KEY, OTHER_KEY, Meetings
from speech_adapters import meetings as module
from speech_adapters.config import Settings, load_settings
from speech_adapters.recording.backend import Host


@pytest.fixture
def meetings(monkeypatch: pytest.MonkeyPatch) -> Meetings:
    """Return an empty store of two owners; its backends do nothing."""

    def create(_: Settings, name: str, host: Host) -> Recorder:
        return Recorder(host, name)

    monkeypatch.setattr(module, "create_backend", create)
    keys = {"gateway.keys.museum": KEY, "gateway.keys.library": OTHER_KEY}
    return Meetings(load_settings({"backend": "batch", "gateway.port": "0", **keys}))
