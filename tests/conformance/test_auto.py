from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.suite import DoubleConformance
from double.service import KEY, ServiceDouble, running
from speech_adapters.config import Settings, load_settings


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running(ServiceDouble()) as url:
        yield url


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
