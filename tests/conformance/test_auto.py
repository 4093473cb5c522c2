from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.claims import ClaimConformance, Proof
from conformance.suite import DoubleConformance
from conformance.test_batch import BATCH, last_job
from conformance.test_fast import FAST
from double.service import KEY, ServiceDouble
from speech_adapters.config import Settings, load_settings

# What either of the two serves is proved; auto claims only what both serve.
_BOTH = set(BATCH) & set(FAST)


@pytest.mark.parametrize("fast_minutes", ["120", "0"], ids=["fast", "batch"])
class TestAuto(ClaimConformance, DoubleConformance):
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

    @pytest.fixture
    def proofs(self, fast_minutes: str) -> Mapping[str, Proof]:
        chosen = FAST if fast_minutes == "120" else BATCH
        return {name: proof for name, proof in chosen.items() if name in _BOTH}

    @pytest.fixture
    def received(self, rest_double: ServiceDouble, fast_minutes: str) -> Callable[[], Any]:
        # Audio at addresses always goes to batch; other tests share the double.
        before = len(rest_double.submitted)
        return lambda: (
            rest_double.definitions[-1:] if fast_minutes == "120" else [],
            last_job(rest_double) if len(rest_double.submitted) > before else None,
        )
