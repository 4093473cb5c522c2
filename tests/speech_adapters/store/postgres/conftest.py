"""A store in a PostgreSQL database of the test's own, and that of another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from double.postgres import Server
from speech_adapters.config import StoreOptions
from speech_adapters.store.postgres.store import PostgresStore


@pytest.fixture
def url(postgres: Server) -> str:
    return postgres.new_database()


@pytest.fixture
def options(url: str, tmp_path: Path) -> StoreOptions:
    return StoreOptions.model_validate(
        {"url": url, "audio_dir": tmp_path / "audio", "lease_seconds": 3}
    )


@pytest.fixture
def open_host(options: StoreOptions, tmp_path: Path) -> Iterator[Callable[..., PostgresStore]]:
    """Return a function that opens the store on a machine by its name."""
    with ExitStack() as stack:

        def open_store(host: str = "here", **changes: object) -> PostgresStore:
            changed = options.model_copy(update=changes)
            return stack.enter_context(PostgresStore.open(tmp_path / host, changed))

        yield open_store


@pytest.fixture
def store(open_host: Callable[..., PostgresStore]) -> PostgresStore:
    return open_host()
