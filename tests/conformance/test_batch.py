from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.service import KEY
from speech_adapters.config import Settings, load_settings


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15", "v3.2"])
class TestBatch(DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, storage: str, service: str, version: str) -> Settings:
        options = {
            "api_version": version,
            "endpoint": service,
            "key": KEY,
            "storage_connection_string": storage,
            "poll_seconds": "0",
        }
        return load_settings(
            {
                "backend": "batch",
                "state_dir": str(tmp_path / "state"),
                **{f"backends.batch.{name}": value for name, value in options.items()},
            }
        )
