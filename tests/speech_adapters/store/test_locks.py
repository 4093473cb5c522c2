from __future__ import annotations

from pathlib import Path

import pytest

from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.store import Lock, Store, acquire_with_retry


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
        assert isinstance(lock, Lock)
        lock.release()


def test_only_a_busy_lock_is_tried_again(tmp_path: Path, pauses: list[float]) -> None:
    with Store.open(tmp_path) as store:
        (tmp_path / "locks").rmdir()
        (tmp_path / "locks").touch()
        with pytest.raises(StoreError):
            acquire_with_retry(lambda: store.lock_recording("r"))
    assert pauses == []
