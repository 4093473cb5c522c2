"""A store with a recording whose audio has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store import Recording, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state") as store:
        yield store


@pytest.fixture
def recording(store: Store) -> Recording:
    recording = store.create(MeetingRequest("m", mode=Mode.STORED), "local")
    store.close_audio(recording.id, 3_200)
    return store.get(recording.id)
