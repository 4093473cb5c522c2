"""Gateways over backends without an engine."""

from __future__ import annotations

import pytest

from double.scripted_backend import Script, install


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Return the script of the backend ``scripted``; the backend ``clock`` is there too."""
    script = Script()
    install(monkeypatch, script)
    return script
