from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.service import KEY
from speech_adapters.config import Settings, load_settings


class TestFast(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, service: str) -> Settings:
        return load_settings(
            {
                "backend": "fast",
                "state_dir": str(tmp_path / "state"),
                "backends.fast.endpoint": service,
                "backends.fast.key": KEY,
            }
        )
