from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
from conformance.suite import DoubleConformance
from double.service import KEY, ServiceDouble
from speech_adapters.config import Settings, load_settings

# docs/protocol/batch-and-fast-rest.md, 2.2.
BATCH = {
    "max_speakers_hint": Proof('"maxSpeakers": 2'),
    "most_speakers": Proof('"maxSpeakers": 35'),
    "detects_languages": Proof('"candidateLocales": ["en-US", "de-DE"]'),
    "word_timestamps": Proof('"words": [{'),
    "setting profanity": Proof('"profanityFilterMode": "Removed"'),
    "setting dictation": Proof('"punctuationMode": "DictatedAndAutomatic"'),
}
BATCH_OLD = {
    **BATCH,
    "max_speakers_hint": Proof('"maxCount": 2'),
    "most_speakers": Proof('"maxCount": 35'),
}


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15", "v3.2"])
class TestBatch(ClaimConformance, DoubleConformance):
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

    @pytest.fixture
    def proofs(self, version: str) -> Mapping[str, Proof]:
        return BATCH_OLD if version == "v3.2" else BATCH

    @pytest.fixture
    def received(self, rest_double: ServiceDouble) -> Callable[[], Any]:
        return lambda: last_job(rest_double)


def last_job(double: ServiceDouble) -> Any:
    """Return the body of the job that was submitted last, or nothing if it was deleted."""
    job = double.jobs.get(double.submitted[-1]) if double.submitted else None
    return job.body if job is not None else None
