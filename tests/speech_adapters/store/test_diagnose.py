from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.diagnosis import Finding, Level, run_check
from speech_adapters.store import Store
from speech_adapters.store.diagnose import store_checks
from speech_adapters.store.sqlite.schema import SCHEMA_VERSION


def findings(folder: Path) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        checks = store_checks(folder)
        return {c.id.removeprefix("store."): await run_check(c, online=False) for c in checks}

    return anyio.run(work)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a store with a meeting that waits for its processing."""
    found = tmp_path / "state"
    with Store.open(found) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), "local")
        recording.audio_path.touch(mode=0o600)
        recording.audio_path.write_bytes(b"\0\1" * 100)
        store.close_audio(recording.id, 200)
    return found


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }


def test_a_store_is_whole_and_stays_as_it_was(folder: Path) -> None:
    before = contents(folder)
    found = findings(folder)
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["integrity"].text == f"whole, format {SCHEMA_VERSION}"
    assert found["files"].text == "1 recordings, 1 of them not finished"
    assert contents(folder) == before


def test_a_store_in_use_stays_as_it_was(folder: Path) -> None:
    with Store.open(folder) as store:
        store.create(MeetingRequest("n", mode=Mode.STORED), "local")
        database = {p: s for p, s in contents(folder).items() if not p.endswith("-shm")}
        found = findings(folder)
        # Written after the last checkpoint, so it is in the log.
        assert found["files"].text == "2 recordings, 2 of them not finished"
        assert {p: s for p, s in contents(folder).items() if not p.endswith("-shm")} == database


def test_no_store_is_created(tmp_path: Path) -> None:
    found = findings(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    assert found["folder"].level is Level.OK
    assert found["integrity"].level is Level.SKIPPED
    assert "no store yet" in found["files"].text


def test_the_folder_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    found = findings(tmp_path / "file" / "state")["folder"]
    assert found.level is Level.FAILED
    assert "is not a folder" in found.text
    assert "state_dir" in found.fix


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so no permissions can forbid it in a test.
    monkeypatch.setattr("os.access", lambda *_: False)
    found = findings(folder)["folder"]
    assert found.level is Level.FAILED
    assert "chmod" in found.fix


def test_a_page_of_the_database_is_damaged(folder: Path) -> None:
    path = folder / "meetings.sqlite3"
    data = bytearray(path.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    path.write_bytes(data)
    before = contents(folder)
    found = findings(folder)
    assert found["integrity"].level is Level.FAILED
    assert "is damaged" in found["integrity"].text
    assert "backup" in found["integrity"].fix
    assert found["files"].level is Level.SKIPPED
    # Any other command would put it aside.
    assert contents(folder) == before


def test_a_damage_that_opening_does_not_find(folder: Path) -> None:
    with Store.open(folder) as store:
        store.create(MeetingRequest("unmistakable", mode=Mode.STORED), "local")
    path = folder / "meetings.sqlite3"
    data = path.read_bytes()
    # Once in the table and once in its index; only one of them changes.
    assert data.count(b"unmistakable") >= 2
    path.write_bytes(data.replace(b"unmistakable", b"unmistakabla", 1))
    found = findings(folder)["integrity"]
    assert found.level is Level.FAILED
    assert "index" in found.text


def test_a_file_that_is_no_database(folder: Path) -> None:
    (folder / "meetings.sqlite3").write_text("no database " * 100)
    found = findings(folder)["integrity"]
    assert found.level is Level.FAILED
    assert "not a database" in found.text


def test_formats_of_other_versions(folder: Path) -> None:
    def change(version: int) -> Finding:
        with sqlite3.connect(folder / "meetings.sqlite3") as connection:
            connection.execute(f"PRAGMA user_version = {version}")
        connection.close()
        return findings(folder)["integrity"]

    newer = change(99)
    assert newer.level is Level.FAILED
    assert "newer version" in newer.text
    older = change(SCHEMA_VERSION - 1)
    assert older.level is Level.OK
    assert f"to {SCHEMA_VERSION}" in older.text


def test_a_database_that_was_put_aside(folder: Path) -> None:
    (folder / "meetings.sqlite3.corrupt-20260101T000000Z").touch(0o600)
    found = findings(folder)["integrity"]
    assert found.level is Level.WARNING
    assert "corrupt-20260101T000000Z" in found.text


def test_files_and_records_are_compared(folder: Path) -> None:
    audio = next((folder / "audio").glob("*.pcm"))
    orphan = folder / "audio" / f"{'0' * 32}.pcm"
    shutil.copyfile(audio, orphan)
    found = findings(folder)["files"]
    assert found.level is Level.WARNING
    assert f"such as {orphan.name}" in found.text
    orphan.unlink()
    audio.unlink()
    found = findings(folder)["files"]
    assert found.level is Level.WARNING
    assert "The audio of 1 meetings is missing: 'm'" in found.text
    assert "speech-compat delete" in found.fix


@pytest.mark.parametrize("name", ["audio", "locks", "meetings.sqlite3"])
def test_what_others_can_read_is_reported(folder: Path, name: str) -> None:
    path = folder / name
    path.chmod(path.stat().st_mode | 0o040)
    found = findings(folder)["permissions"]
    assert found.level is Level.FAILED
    assert str(path) in found.text
    assert found.fix == f"Run chmod -R go= {folder}"


def test_a_file_that_others_can_reach(folder: Path) -> None:
    audio = next((folder / "audio").glob("*.pcm"))
    audio.chmod(0o644)
    # The folder keeps others out.
    assert findings(folder)["permissions"].level is Level.OK
    audio.parent.chmod(0o755)
    assert str(audio) in findings(folder)["permissions"].text


def test_a_folder_that_others_can_write(folder: Path) -> None:
    folder.chmod(0o777)
    found = findings(folder)["permissions"]
    assert found.level is Level.WARNING
    folder.chmod(0o755)  # a folder that existed before may serve other ends too
    assert findings(folder)["permissions"].level is Level.OK


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize(
    ("free", "level"),
    [(50_000_000, Level.FAILED), (500_000_000, Level.WARNING), (5_000_000_000, Level.OK)],
)
def test_the_disk_may_be_almost_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
    found = findings(folder)["disk"]
    assert found.level is level
    assert ("state_dir" in found.fix) is (level is not Level.OK)
