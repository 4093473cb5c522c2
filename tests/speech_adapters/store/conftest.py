"""A store in a folder of the test's own, in each of the databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path, database: str) -> Iterator[Store]:
    with Store.open(folder) as store:
        yield store
