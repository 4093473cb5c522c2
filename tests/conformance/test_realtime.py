from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from speech_adapters.config import Settings, load_settings


class TestRealtime(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, loopback: str) -> Settings:
        return load_settings(
            {
                "backend": "realtime",
                "state_dir": str(tmp_path / "state"),
                "backends.realtime.endpoint": loopback,
                "backends.realtime.key": "any",
                "backends.realtime.pace": "100",
            }
        )
