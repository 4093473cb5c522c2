from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.service import KEY
from speech_adapters.config import Settings, load_settings


@pytest.mark.parametrize("fast_minutes", ["120", "0"], ids=["fast", "batch"])
class TestAuto(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, storage: str, service: str, fast_minutes: str) -> Settings:
        return load_settings(
            {
                "backend": "auto",
                "state_dir": str(tmp_path / "state"),
                "service.endpoint": service,
                "service.key": KEY,
                "backends.auto.fast_minutes": fast_minutes,
                "backends.batch.storage_connection_string": storage,
                "backends.batch.poll_seconds": "0",
            }
        )
