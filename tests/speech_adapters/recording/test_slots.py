from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from speech_adapters.recording.slots import worker_slot
from speech_adapters.store import Recording, Store


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses instead of making them."""
    pauses: list[float] = []
    monkeypatch.setattr("speech_adapters.recording.slots.time.sleep", pauses.append)
    return pauses


def test_as_many_workers_as_the_limit_work_at_a_time(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    with ExitStack() as first:
        assert first.enter_context(worker_slot(store, recording.id, "local", 2))

        def pause(_: float) -> None:
            steps.append(store.get(recording.id).step)
            if len(steps) == 3:
                first.close()

        monkeypatch.setattr("speech_adapters.recording.slots.time.sleep", pause)
        with worker_slot(store, recording.id, "local", 2) as second:
            assert second
            assert steps == []
            with worker_slot(store, recording.id, "local", 2) as third:
                assert third
                assert steps == ["waiting until other meetings are transcribed"] * 3
                assert store.get(recording.id).step == ""


def test_kinds_and_stores_have_slots_of_their_own(
    store: Store, recording: Recording, pauses: list[float], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        assert stack.enter_context(worker_slot(store, recording.id, "local", 1))
        assert stack.enter_context(worker_slot(store, recording.id, "realtime", 1))
        other = stack.enter_context(Store.open(tmp_path / "other"))
        assert stack.enter_context(worker_slot(other, recording.id, "local", 1))
    assert pauses == []


def test_a_recording_deleted_while_it_waits_needs_no_slot(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "speech_adapters.recording.slots.time.sleep", lambda _: store.delete(recording.id)
    )
    with (
        worker_slot(store, recording.id, "local", 1),
        worker_slot(store, recording.id, "local", 1) as granted,
    ):
        assert not granted


def test_a_worker_that_fails_leaves_its_slot(
    store: Store, recording: Recording, pauses: list[float]
) -> None:
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), worker_slot(store, recording.id, "local", 1):
            raise ValueError("x")
    assert pauses == []


def test_a_worker_that_waits_writes_its_step_once(
    store: Store, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[object] = []

    with ExitStack() as first:
        first.enter_context(worker_slot(store, recording.id, "local", 1))

        def pause(_: float) -> None:
            changes.append(store.get(recording.id).updated)
            if len(changes) == 4:
                first.close()

        monkeypatch.setattr("speech_adapters.recording.slots.time.sleep", pause)
        with worker_slot(store, recording.id, "local", 1):
            assert len(changes) == 4
            assert len(set(changes)) == 1
