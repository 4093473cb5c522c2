from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.store import Store, acquire_with_retry
from speech_adapters.store.locks import FileLock

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses instead of waiting."""
    pauses: list[float] = []
    monkeypatch.setattr("speech_adapters.store.locks.time.sleep", pauses.append)
    return pauses


def test_a_free_lock_is_acquired_without_a_pause(tmp_path: Path, pauses: list[float]) -> None:
    with Store.open(tmp_path) as store:
        lock = acquire_with_retry(lambda: store.lock_recording("r"))
        assert lock is not None
        with pytest.raises(MeetingBusyError):
            store.lock_recording("r")
        lock.release()
    assert pauses == []


def test_a_lock_that_stays_with_another_owner_is_given_up(
    tmp_path: Path, pauses: list[float]
) -> None:
    with Store.open(tmp_path) as store, store.lock_recording("r"):
        assert acquire_with_retry(lambda: store.lock_recording("r")) is None
    assert pauses == [0.2] * 5


def test_a_lock_that_is_released_meanwhile_is_acquired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path) as store:
        other = store.lock_recording("r")
        monkeypatch.setattr(
            "speech_adapters.store.locks.time.sleep", lambda _seconds: other.release()
        )
        lock = acquire_with_retry(lambda: store.lock_recording("r"))
        assert isinstance(lock, FileLock)
        lock.release()


def test_only_a_busy_lock_is_tried_again(tmp_path: Path, pauses: list[float]) -> None:
    with Store.open(tmp_path) as store:
        (tmp_path / "locks").rmdir()
        (tmp_path / "locks").touch()
        with pytest.raises(StoreError):
            acquire_with_retry(lambda: store.lock_recording("r"))
    assert pauses == []


def files(store: Store) -> list[Path]:
    return list((store.directory / "locks").iterdir())


def test_locks_leave_no_files(store: Store) -> None:
    with store.lock_meeting("m"), store.lock_recording("r"):
        assert len(files(store)) == 2
        with pytest.raises(MeetingBusyError):
            store.lock_meeting("m")
        assert len(files(store)) == 2
    assert files(store) == []


def test_the_file_of_a_killed_owner_is_used_and_removed_by_the_next(store: Store) -> None:
    with store.lock_meeting("m"):
        (left,) = files(store)
    left.touch()
    with store.lock_meeting("m"):
        assert files(store) == [left]
    assert files(store) == []


def test_a_second_release_leaves_the_next_owner_its_lock(store: Store) -> None:
    first = store.lock_meeting("m")
    first.release()
    with store.lock_meeting("m"):
        first.release()
        with pytest.raises(MeetingBusyError):
            store.lock_meeting("m")


# Each owner creates a file that must not exist: a second owner at the time would fail.
_OWNER = """
import sys
from pathlib import Path
from speech_adapters.errors import MeetingBusyError
from speech_adapters.store.locks import FileLock
folder, marker, owned = Path(sys.argv[1]), Path(sys.argv[2]), 0
while owned < 300:
    try:
        with FileLock(folder, "m", "busy"):
            marker.touch(exist_ok=False)
            marker.unlink()
            owned += 1
    except MeetingBusyError:
        pass
"""


def test_a_lock_whose_file_is_removed_never_has_two_owners(store: Store, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OWNER, str(store.directory / "locks")]
    command.append(str(tmp_path / "marker"))
    owners = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [owner.communicate(timeout=120)[1] for owner in owners] == [""] * 4
    assert files(store) == []
