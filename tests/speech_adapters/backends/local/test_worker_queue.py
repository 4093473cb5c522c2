"""One worker transcribes all recordings that wait, and none is forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from double.engine import Model, model_folder
from speech_adapters.backends.local import job, worker
from speech_adapters.backends.local.job import Processing
from speech_adapters.backends.local.models import Models
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.config import Settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.recording import slots
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Lock, Recording, Store
from speech_adapters.store.recovery import is_locked

SECOND = bytes(32_000)


@pytest.fixture
def wait(in_process: Any, tmp_path: Path) -> Callable[..., Recording]:
    """Create a recording that waits for a worker."""

    def create(behavior: str = "speak", mode: Mode = Mode.STORED) -> Recording:
        recording: Recording = in_process.recording(mode, 1.0)
        options = LocalOptions(model_path=model_folder(tmp_path / "models", behavior))
        order = Processing(options, "auto")
        in_process.store.update(recording.id, backend_state=order.dump())
        return recording

    return create


def run(store: Store, recording: Recording) -> None:
    assert worker.main(["stored", str(store.directory), recording.id]) == 0


def states(store: Store) -> list[JobState]:
    return [recording.state for recording in reversed(store.recordings())]


def test_all_recordings_that_wait_are_transcribed_the_oldest_first(
    in_process: Any, wait: Callable[..., Recording]
) -> None:
    waiting = [wait() for _ in range(3)]
    order: list[str] = []

    def on_audio(block: int) -> None:
        if block == 1:
            order.extend(found.id for found in waiting if is_locked(in_process.store, found))

    in_process.on_audio(on_audio)
    run(in_process.store, waiting[2])
    assert order == [recording.id for recording in waiting]
    assert states(in_process.store) == [JobState.COMPLETED] * 3
    assert [found.attempts for found in in_process.store.recordings()] == [1] * 3
    assert not any(log_path(recording).exists() for recording in waiting)


def test_each_recording_is_transcribed_with_the_options_of_its_order(
    in_process: Any, wait: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    sets: list[str] = []

    class Counted(Models):
        def __init__(self, options: LocalOptions) -> None:
            super().__init__(options)
            assert options.model_path is not None
            sets.append(options.model_path.name)

        def close(self) -> None:
            super().close()
            sets.append("closed")

    monkeypatch.setattr(worker, "Models", Counted)
    monkeypatch.setattr(Model, "loaded", 0)
    waiting = [wait(behavior) for behavior in ("speak", "speak", "fail", "speak")]
    run(in_process.store, waiting[0])
    completed, failed = JobState.COMPLETED, JobState.FAILED
    assert states(in_process.store) == [completed, completed, failed, completed]
    # Models stay loaded for equal options, and no two sets are in memory.
    assert sets == ["speak", "closed", "fail", "closed", "speak", "closed"]
    assert Model.loaded == 3


def test_an_unexpected_error_holds_up_no_other_recording(
    in_process: Any, wait: Callable[..., Recording]
) -> None:
    broken, other = wait("bug"), wait()
    run(in_process.store, broken)
    assert states(in_process.store) == [JobState.PROCESSING, JobState.COMPLETED]
    found = in_process.store.get(broken.id)
    # It waits for nothing: the next status query starts the second attempt.
    assert (found.attempts, found.backend_state) == (1, "")
    assert in_process.store.get(other.id).attempts == 1


def test_each_recording_has_a_log_of_its_own(
    in_process: Any, wait: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs: list[Path] = []
    monkeypatch.setattr(worker, "log_errors", logs.append)
    first, second = wait(), wait("fail")
    run(in_process.store, first)
    assert logs == [log_path(second)]


def test_a_recording_without_an_order_is_left_to_its_program(
    in_process: Any, wait: Callable[..., Recording]
) -> None:
    live = in_process.recording(Mode.BOTH, 1.0)
    run(in_process.store, wait())
    assert in_process.store.get(live.id).state is JobState.PROCESSING


def test_a_recording_that_another_worker_has_taken_meanwhile_is_left_to_it(
    in_process: Any, wait: Callable[..., Recording]
) -> None:
    first, second = wait(), wait()
    in_process.on_audio(lambda _: in_process.store.update(second.id, backend_state=""))
    run(in_process.store, first)
    assert states(in_process.store) == [JobState.COMPLETED, JobState.PROCESSING]
    assert in_process.store.get(second.id).attempts == 0


def test_a_recording_that_comes_while_the_slot_is_released_is_not_forgotten(
    in_process: Any, wait: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its program found the slot occupied, so it has started no worker."""
    acquire, late = slots.acquire_slot, list[Recording]()

    class Slot:
        def __init__(self, lock: Lock) -> None:
            self._lock = lock

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            if not late:
                late.append(wait())
            self._lock.release()

    def acquire_late(*arguments: Any) -> Slot | None:
        lock = acquire(*arguments)
        return Slot(lock) if lock else None

    monkeypatch.setattr(job, "acquire_slot", acquire_late)
    run(in_process.store, wait())
    assert states(in_process.store) == [JobState.COMPLETED] * 2


def test_a_recording_that_its_program_still_locks_is_not_forgotten(
    in_process: Any, wait: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_PATIENCE_SECONDS", 60.0)
    recording, pauses = wait(), list[float]()
    lock = in_process.store.lock_recording(recording.id)

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            lock.release()

    monkeypatch.setattr("speech_adapters.backends.local.worker.time.sleep", pause)
    run(in_process.store, recording)
    assert len(pauses) == 3
    assert states(in_process.store) == [JobState.COMPLETED]


def test_many_meetings_that_end_together_need_no_status_query(
    fake_engine: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meetings = 60
    # The limit of the workers as well: they have the same module.
    monkeypatch.setattr(job, "_WORKERS", 2)
    pauses = [0.0, 0.01, 0.03, 0.3]

    async def record(service: MeetingService, number: int) -> None:
        await anyio.sleep(pauses[number % len(pauses)] * number / 10)
        request = MeetingRequest(f"meeting {number}", mode=Mode.STORED)
        async with await service.open_session(request) as session:
            await session.push(SECOND)
            await session.finish()

    async def work() -> None:
        async with (
            MeetingService(fake_engine()) as service,
            anyio.create_task_group() as tasks,
        ):
            for number in range(meetings):
                tasks.start_soon(record, service, number)

    anyio.run(work)
    deadline = time.monotonic() + 120
    with Store.open(tmp_path / "state") as store:
        # Read directly: a status query would start a worker for what was forgotten.
        while set(states(store)) != {JobState.COMPLETED}:
            assert time.monotonic() < deadline, states(store)
            time.sleep(0.05)
        assert len(states(store)) == meetings
        assert {found.attempts for found in store.recordings()} == {1}


def test_two_workers_share_the_recordings_that_wait(
    in_process: Any, wait: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "_WORKERS", 2)
    waiting = [wait() for _ in range(12)]
    threads = [
        threading.Thread(target=run, args=(in_process.store, recording)) for recording in waiting
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert states(in_process.store) == [JobState.COMPLETED] * len(waiting)
    assert {found.attempts for found in in_process.store.recordings()} == {1}
