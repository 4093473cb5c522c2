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
