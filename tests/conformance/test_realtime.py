from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
from conformance.suite import DoubleConformance
from speech_adapters.config import Settings, load_settings
from speech_compat.testing.loopback import LoopbackService

# Observed: what the Speech SDK sends.
REALTIME = {
    "phrases": Proof('"Text": "Winnie"'),
    "detects_languages": Proof('"languages": ["en-US", "de-DE"]'),
    "word_timestamps": Proof('"wordLevelTimestamps": "true"'),
    "setting audio_logging": Proof('"storeAudio": "true"'),
    "setting detailed": Proof('"format": "detailed"'),
    "setting diarize_hypotheses": Proof('"diarizeIntermediates": "True"'),
    "setting end_silence_ms": Proof('"trailingSilenceTimeout": 1234'),
    "setting endpoint_id": Proof('"cid": "my-model"'),
    "setting initial_silence_ms": Proof('"initialSilenceTimeout": 2345'),
    "setting post_processing": Proof('"disfluencyMode": "Removed"'),
    "setting profanity": Proof('"profanity": "removed"'),
    "setting proxy": Proof("Connection failed", error=True),
    "setting segmentation_max_ms": Proof('"segmentationForcedTimeoutMs": 34567'),
    "setting segmentation_silence_ms": Proof('"segmentationSilenceTimeoutMs": 456'),
    "setting segmentation_strategy": Proof('"mode": "Semantic"'),
}


class TestRealtime(ClaimConformance, DoubleConformance):
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

    @pytest.fixture
    def proofs(self) -> Mapping[str, Proof]:
        return REALTIME

    @pytest.fixture
    def received(self, speech_double: tuple[LoopbackService, str]) -> Callable[[], Any]:
        double = speech_double[0]
        return lambda: [dict(double.connections[-1].query), double.contexts[-1]]
