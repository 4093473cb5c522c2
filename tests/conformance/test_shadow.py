from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
from conformance.suite import DoubleConformance
from conformance.test_fast import FAST
from double.faulty_backend import install
from double.replay import write_script
from double.scripted_backend import said
from double.service import KEY, ServiceDouble
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import Hypothesis, Recognized, SpeechEnded, SpeechStarted


class TestShadow(ClaimConformance, DoubleConformance):
    """With ``fast`` as the primary backend, whose claims it has."""

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str) -> Settings:
        install(monkeypatch)
        return load_settings(
            {
                "backend": "shadow",
                "state_dir": str(tmp_path / "state"),
                "service.endpoint": service,
                "service.key": KEY,
                "backends.shadow.primary": "fast",
                "backends.shadow.second": "faulty",
            }
        )

    @pytest.fixture
    def proofs(self) -> Mapping[str, Proof]:
        return FAST

    @pytest.fixture
    def received(self, rest_double: ServiceDouble) -> Callable[[], Any]:
        return lambda: rest_double.definitions[-1:]


class TestLiveShadow(DoubleConformance):
    """With ``replay`` as the primary backend, which has live events."""

    @pytest.fixture
    def settings(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
        install(monkeypatch)
        first, second = said("A double heard this.", 1.2, 2.1), said("And this.", 2.2, 2.8, 1)
        script = write_script(
            tmp_path / "script.jsonl",
            [
                SpeechStarted(first.offset),
                Hypothesis(first),
                Recognized(first),
                Recognized(second),
                SpeechEnded(second.end),
            ],
        )
        return load_settings(
            {
                "backend": "shadow",
                "state_dir": str(tmp_path / "state"),
                "backends.shadow.primary": "replay",
                "backends.shadow.second": "faulty",
                "backends.replay.script": script,
            }
        )
