"""A scripted backend without phrases, and a log of the events."""

from __future__ import annotations

import pytest

from double.sessions import Log
from oracle.scenario import Scenario
from oracle.scripted import Played, install


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario(phrases=())))


@pytest.fixture
def log() -> Log:
    return Log()
