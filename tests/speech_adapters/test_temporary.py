"""Temporary folders, in this and in other processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from double.recorder import Recorder, use
from speech_adapters import temporary
from speech_adapters.errors import StoreError
from speech_adapters.meetings import MeetingService
from speech_adapters.store.locks import FileLock
from speech_adapters.temporary import create_folder, remove_abandoned, remove_folder

OWNER = """
import os, signal
from speech_adapters.store.locks import FileLock
from speech_adapters.temporary import create_folder
folder = create_folder()
(folder / "meeting.pcm").write_bytes(b"private")
print(folder, flush=True)
input()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for temporary files of this test alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def killed(folders: Path) -> Path:
    """Return the folder of a process that was killed, which nothing removed while it lived."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        remove_abandoned()
        assert (folder / "meeting.pcm").exists()
        process.communicate("\n")
    assert folder.parent == folders
    return folder


def test_a_folder_is_private_and_removed_by_its_owner(folders: Path) -> None:
    folder = create_folder()
    (folder / "a.pcm").touch()
    assert folder.stat().st_mode & 0o777 == 0o700
    remove_folder(folder)
    remove_folder(folder)
    assert list(folders.iterdir()) == []


def test_the_folders_of_this_process_cost_nothing(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [create_folder() for _ in range(3)]
    dead = killed(folders)
    tried: list[Path] = []

    def lock(folder: Path, *more: str) -> FileLock:
        tried.append(folder)
        return FileLock(folder, *more)

    monkeypatch.setattr(temporary, "FileLock", lock)
    remove_abandoned()
    assert tried == [dead], "a gateway with 200 meetings looks for abandoned ones 200 times"
    for folder in own:
        assert folder.exists()
        remove_folder(folder)


def test_the_folder_of_a_killed_process_is_removed_by_the_next(folders: Path) -> None:
    folder, ours = killed(folders), create_folder()
    remove_abandoned()
    assert not folder.exists()
    assert ours.exists()
    remove_folder(ours)


@pytest.mark.parametrize("action", ["list", "open a session"])
def test_the_meeting_service_removes_what_killed_programs_left(
    folders: Path, recorders: dict[str, Recorder], action: str
) -> None:
    folder = killed(folders)

    async def work(meetings: MeetingService) -> None:
        if action == "list":
            await meetings.recordings()
        else:
            from double.recorder import record

            await (await record(meetings)).aclose()

    use(work, backend="ours")
    assert not folder.exists()


def test_a_folder_without_a_lock_is_removed_only_when_it_is_old(folders: Path) -> None:
    new, old = folders / "speech-compat-new", folders / "speech-compat-old"
    new.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    remove_abandoned()
    assert new.exists(), "its owner is just about to lock it"
    assert not old.exists()


def test_links_and_folders_of_other_users_are_not_touched(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = folders / "precious"
    precious.mkdir()
    link, other = folders / "speech-compat-link", folders / "speech-compat-other"
    link.symlink_to(precious, target_is_directory=True)
    other.mkdir()
    for path in (other, precious):
        os.utime(path, (0, 0))
    monkeypatch.setattr(os, "getuid", lambda: other.stat().st_uid + 1)
    remove_abandoned()
    monkeypatch.undo()
    assert link.is_symlink()
    assert precious.exists()
    assert other.exists()


def test_a_folder_that_cannot_be_created_is_an_error_with_a_reason(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folders / "missing"))
    with pytest.raises(StoreError, match="No temporary folder can be created: No such file"):
        create_folder()


def test_a_folder_that_cannot_be_locked_is_not_left(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("no locks here")

    monkeypatch.setattr(temporary, "FileLock", fail)
    with pytest.raises(StoreError, match="no locks here"):
        create_folder()
    assert list(folders.iterdir()) == []


@pytest.mark.parametrize("by_owner", [True, False])
def test_the_lock_is_removed_after_all_data(
    folders: Path, monkeypatch: pytest.MonkeyPatch, by_owner: bool
) -> None:
    """A process that is killed in between leaves data that is still known to be abandoned."""
    folder = create_folder() if by_owner else killed(folders)
    (folder / "a").mkdir()
    for path in (folder / "a" / "answer.json", folder / "z.pcm"):
        path.touch()
    left: list[set[str]] = []
    release = FileLock.release

    def note(lock: FileLock) -> None:
        left.append({found.suffix for found in folder.iterdir()})
        release(lock)

    monkeypatch.setattr(FileLock, "release", note)
    remove_folder(folder) if by_owner else remove_abandoned()
    assert left == [{".lock"}]
    assert not folder.exists()


def test_a_folder_without_a_lock_is_removed_only_if_it_is_empty(folders: Path) -> None:
    """It belongs to another program, or to an older version that records just now."""
    foreign, empty = folders / "speech-compat-notes", folders / "speech-compat-x"
    for folder in (foreign, empty):
        folder.mkdir()
    (foreign / "meeting.pcm").touch()
    for folder in (foreign, empty):
        os.utime(folder, (0, 0))
    remove_abandoned()
    assert (foreign / "meeting.pcm").exists()
    assert not empty.exists()


def test_a_new_folder_that_another_process_locks_first_is_replaced(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching: list[FileLock] = []

    def lock(folder: Path, name: str, busy: str) -> FileLock:
        if not searching:
            searching.append(FileLock(folder, name, busy))
        return FileLock(folder, name, busy)

    monkeypatch.setattr(temporary, "FileLock", lock)
    folder = create_folder()
    assert list(folders.iterdir()) == [folder]
    remove_folder(folder)
    searching[0].release()


def test_a_folder_that_another_process_removes_first_is_no_error(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = killed(folders)

    def lock(path: Path, name: str, busy: str) -> FileLock:
        found = FileLock(path, name, busy)
        shutil.rmtree(path)
        return found

    monkeypatch.setattr(temporary, "FileLock", lock)
    remove_abandoned()
    assert not folder.exists()


def test_a_new_folder_that_another_process_removes_first_is_replaced(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []

    def lock(folder: Path, name: str, busy: str) -> FileLock:
        if not removed:
            removed.append(folder)
            shutil.rmtree(folder)
        return FileLock(folder, name, busy)

    monkeypatch.setattr(temporary, "FileLock", lock)
    folder = create_folder()
    assert list(folders.iterdir()) == [folder]
    remove_folder(folder)
