from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
from conformance.suite import DoubleConformance
from double.service import KEY, ServiceDouble
from speech_adapters.config import Settings, load_settings

# docs/protocol/batch-and-fast-rest.md, 3.
FAST = {
    "phrases": Proof('"phrases": ["Winnie"]'),
    "max_speakers_hint": Proof('"maxSpeakers": 2'),
    "most_speakers": Proof('"maxSpeakers": 35'),
    "detects_languages": Proof('"locales": ["en-US", "de-DE"]'),
    "word_timestamps": Proof('"words": [{', plain=True),
    "setting profanity": Proof('"profanityFilterMode": "Removed"'),
}
WITHOUT_PHRASES = {name: proof for name, proof in FAST.items() if name != "phrases"}


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15"])
class TestFast(ClaimConformance, DoubleConformance):
    @pytest.fixture
    def settings(self, tmp_path: Path, service: str, version: str) -> Settings:
        return load_settings(
            {
                "backend": "fast",
                "state_dir": str(tmp_path / "state"),
                "backends.fast.api_version": version,
                "backends.fast.endpoint": service,
                "backends.fast.key": KEY,
            }
        )

    @pytest.fixture
    def proofs(self, version: str) -> Mapping[str, Proof]:
        return FAST if version == "2025-10-15" else WITHOUT_PHRASES

    @pytest.fixture
    def received(self, rest_double: ServiceDouble) -> Callable[[], Any]:
        return lambda: rest_double.definitions[-1]
