from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.faulty_backend import install
from double.replay import write_script
from double.scripted_backend import said
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import Hypothesis, Recognized, SpeechEnded, SpeechStarted


class TestShadow(DoubleConformance):
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
