"""Settings and connections for the double of the service and the storage emulator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from double.batch_parts import Parts, connected
from double.service import KEY, ServiceDouble


@pytest.fixture
def properties(tmp_path: Path, storage: str, double: ServiceDouble) -> Callable[..., Any]:
    """Return a function that returns the settings; keywords change options of the backend."""

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


@pytest.fixture
def run(tmp_path: Path, storage: str, double: ServiceDouble) -> Callable[..., Any]:
    """Run a coroutine function with the connected parts; keywords change options."""

    def run(work: Callable[[Parts], Awaitable[Any]], **changes: Any) -> Any:
        async def whole() -> Any:
            async with connected(tmp_path / "state", storage, double, **changes) as parts:
                return await work(parts)

        return anyio.run(whole)

    return run
