from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.errors import StoreError
from speech_adapters.store import Store
from speech_adapters.store.inspection import Inspection
from speech_adapters.store.sqlite import inspection


def test_there_is_no_store(tmp_path: Path) -> None:
    assert Store.inspect(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_program_begins_to_write_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path) as store:
        store.create(MeetingRequest("m", mode=Mode.STORED), "local")
    real = inspection._read
    answers = iter(["it changed while it was read"])

    def read(database: Path, found: Inspection) -> Inspection:
        damage = next(answers, "")
        if damage:
            Path(f"{database}-wal").touch()
        return Inspection(found.database, damage=damage) if damage else real(database, found)

    monkeypatch.setattr(inspection, "_read", read)
    found = Store.inspect(tmp_path)
    assert found is not None
    assert not found.damage


def test_a_database_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(tmp_path).close()

    def refuse(_: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(inspection, "connect_to_read", refuse)
    with pytest.raises(StoreError, match="unable to open database file"):
        Store.inspect(tmp_path)
