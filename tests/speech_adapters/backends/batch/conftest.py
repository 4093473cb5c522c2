"""The service's double and the storage emulator, and settings that name them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from double.service import KEY, ServiceDouble


@pytest.fixture
def properties(tmp_path: Path, storage: str, double: ServiceDouble) -> Callable[..., Any]:
    """Give the settings as properties; keywords change options of the backend."""

    def make(**changes: str) -> dict[str, str]:
        options = {
            "endpoint": double.url,
            "key": KEY,
            "storage_connection_string": storage,
            "poll_seconds": "0",
            "retry_seconds": "0",
            **changes,
        }
        return {
            "backend": "batch",
            "state_dir": str(tmp_path / "state"),
            **{f"backends.batch.{name}": value for name, value in options.items()},
        }

    return make
