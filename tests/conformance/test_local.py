from __future__ import annotations

from pathlib import Path

import pytest

from conformance.suite import BackendConformance
from speech_adapters.config import Settings, load_settings


@pytest.mark.engine
class TestLocal(BackendConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return load_settings({"backend": "local", "state_dir": str(tmp_path / "state")})

    @pytest.fixture
    def speech(self, shipped_recordings: Path) -> Path:
        return shipped_recordings / "clone-test.wav"

    @pytest.fixture
    def word(self) -> str:
        return "America"
