"""Sweeps: which meetings they continue, when, and after which errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import anyio
import attrs
import pytest

from double.recorder import REQUEST, Recorder, use
from speech_adapters import sweeping
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.errors import AuthenticationError, UnavailableError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.store.sqlite import SqliteStore
from speech_adapters.store.sqlite.database import Database
from speech_adapters.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("recorders")
Step = Callable[[Recording], Awaitable[None]]


@attrs.define
class Clock:
    """A clock that the test sets."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def recorded(*meeting_ids: str, ended: bool = True, backend: str = "ours") -> list[str]:
    """Record meetings as a program that died, before or after their end; return their ids."""
    with Store.open(load_settings().state_dir) as store:
        requests = [attrs.evolve(REQUEST, meeting_id=name) for name in meeting_ids]
        created = [store.create(request, backend) for request in requests]
        for recording in created:
            recording.audio_path.write_bytes(bytes(3_200))
            if ended:
                store.close_audio(recording.id, 3_200)
        return [recording.id for recording in created]


def prepare(meetings: MeetingService, step: Step | None = None) -> tuple[Recorder, Clock]:
    """Set the backend's step, and the clock of the sweeps."""
    clock = Clock()
    meetings._sweeper = Sweeper(meetings.store, clock)
    backend = cast(Recorder, meetings.backend("ours"))
    backend.step = step
    return backend, clock


def processed(backend: Recorder) -> list[str]:
    """Return the meetings that were processed since the last call."""
    names = [recording.meeting_id for recording in backend.processed]
    backend.processed.clear()
    return names


async def state(meetings: MeetingService, recording_id: str) -> JobState:
    return (await meetings.store.run(Store.get, recording_id)).state


def test_a_recording_in_processing_is_continued_at_each_sweep() -> None:
    recorded("m")

    async def work(meetings: MeetingService) -> None:
        backend, _ = prepare(meetings)
        for _ in range(2):
            await meetings.sweep(60.0)
            assert processed(backend) == ["m"]

    use(work, backend="ours")


def test_a_recording_without_a_process_is_recovered_after_the_grace_time() -> None:
    (key,) = recorded("m", ended=False)

    async def work(meetings: MeetingService) -> None:
        backend, clock = prepare(meetings)
        await meetings.sweep(60.0)
        clock.seconds += 59.0
        await meetings.sweep(60.0)
        assert (await state(meetings, key), processed(backend)) == (JobState.UPLOADING, [])
        clock.seconds += 1.0
        await meetings.sweep(60.0)
        assert (await state(meetings, key), processed(backend)) == (JobState.PROCESSING, ["m"])

    use(work, backend="ours")


def test_without_a_grace_time_one_sweep_is_enough() -> None:
    (key,) = recorded("m", ended=False)

    async def work(meetings: MeetingService) -> None:
        backend, _ = prepare(meetings)
        await meetings.sweep(0.0)
        assert (await state(meetings, key), processed(backend)) == (JobState.PROCESSING, ["m"])

    use(work, backend="ours")


def test_only_a_sweep_ends_a_meeting_that_may_be_taken_over() -> None:
    (key,) = recorded("m", ended=False)

    async def work(meetings: MeetingService) -> None:
        backend, clock = prepare(meetings)
        await meetings.sweep()
        clock.seconds += 29.0
        await meetings.sweep()
        assert (await meetings.status("m")).state is JobState.UPLOADING
        assert (await state(meetings, key), processed(backend)) == (JobState.UPLOADING, [])
        clock.seconds += 1.0
        await meetings.sweep()
        assert (await state(meetings, key), processed(backend)) == (JobState.PROCESSING, ["m"])

    use(work, backend="ours", take_over_seconds="30")


def test_the_grace_time_of_a_meeting_that_was_taken_over_begins_anew() -> None:
    (key,) = recorded("m", ended=False)

    async def work(meetings: MeetingService) -> None:
        _, clock = prepare(meetings)
        await meetings.sweep(60.0)
        lock = await meetings.store.run(Store.lock_meeting, "m")
        clock.seconds += 100.0
        await meetings.sweep(60.0)
        assert await state(meetings, key) is JobState.UPLOADING
        lock.release()
        await meetings.sweep(60.0)
        assert await state(meetings, key) is JobState.UPLOADING
        clock.seconds += 60.0
        await meetings.sweep(60.0)
        assert await state(meetings, key) is JobState.PROCESSING

    use(work, backend="ours")


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (UnavailableError("not now"), 60.0),
        (AuthenticationError("the key is wrong"), 3_600.0),
        (ValueError("secret words"), 3_600.0),
    ],
)
def test_an_error_of_one_meeting_concerns_no_other(
    caplog: pytest.LogCaptureFixture, error: Exception, pause: float
) -> None:
    recorded("one", "two", "three")

    async def fail(recording: Recording) -> None:
        if recording.meeting_id == "two":
            raise error

    async def work(meetings: MeetingService) -> None:
        backend, clock = prepare(meetings, fail)
        await meetings.sweep(0.0)
        assert sorted(processed(backend)) == ["one", "three", "two"]
        clock.seconds += pause - 1.0
        await meetings.sweep(0.0)
        assert sorted(processed(backend)) == ["one", "three"]
        clock.seconds += 1.0
        await meetings.sweep(0.0)
        assert sorted(processed(backend)) == ["one", "three", "two"]

    use(work, backend="ours")
    assert caplog.text.count("could not be processed") == 2
    assert "secret words" not in caplog.text


def test_a_slow_meeting_stops_neither_the_others_nor_the_next_sweep() -> None:
    recorded("slow", *(f"fast {number}" for number in range(20)))
    release = anyio.Event()

    async def step(recording: Recording) -> None:
        if recording.meeting_id == "slow":
            await release.wait()

    async def work(meetings: MeetingService) -> None:
        backend, _ = prepare(meetings, step)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(meetings.sweep, 0.0)
                while len(backend.processed) < 21:
                    await anyio.sleep(0.01)
                processed(backend)
                await meetings.sweep(0.0)
                assert sorted(processed(backend)) == sorted(f"fast {n}" for n in range(20))
                release.set()

    use(work, backend="ours")


def test_a_sweep_goes_on_where_the_last_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "_MOST", 2)
    recorded("1", "2", "3", "4", "5")

    async def work(meetings: MeetingService) -> list[list[str]]:
        backend, _ = prepare(meetings)
        sweeps = []
        for number in range(4):
            if number == 2:
                recorded("new")
            await meetings.sweep(0.0)
            sweeps.append(sorted(processed(backend)))
        return sweeps

    assert use(work, backend="ours") == [["1", "2"], ["3", "4"], ["5", "new"], ["1", "2"]]


def test_recordings_with_nothing_to_do_are_not_processed_and_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping, "_MOST", 2)
    recorded("1", "idle 1", "idle 2", "2", "idle 3")

    async def find_idle(recordings: Sequence[Recording]) -> set[str]:
        return {found.id for found in recordings if found.meeting_id.startswith("idle")}

    async def work(meetings: MeetingService) -> list[str]:
        backend, _ = prepare(meetings)
        backend.idle = find_idle
        await meetings.sweep(0.0)
        return sorted(processed(backend))

    assert use(work, backend="ours") == ["1", "2"]


@pytest.mark.parametrize(
    ("error", "pause"),
    [(UnavailableError("not now"), 60.0), (ValueError("secret words"), 3_600.0)],
)
def test_an_error_about_all_recordings_pauses_them_with_one_warning(
    caplog: pytest.LogCaptureFixture, error: Exception, pause: float
) -> None:
    recorded("1", "2", "3")

    async def fail(_: Sequence[Recording]) -> set[str]:
        raise error

    async def work(meetings: MeetingService) -> None:
        backend, clock = prepare(meetings)
        backend.idle = fail
        await meetings.sweep(0.0)
        backend.idle = None
        clock.seconds += pause - 1.0
        await meetings.sweep(0.0)
        assert processed(backend) == []
        clock.seconds += 1.0
        await meetings.sweep(0.0)
        assert sorted(processed(backend)) == ["1", "2", "3"]

    use(work, backend="ours")
    (record,) = [found for found in caplog.records if found.levelname == "WARNING"]
    assert record.getMessage().startswith("3 recordings of the backend ours could not be processed")
    assert "secret words" not in caplog.text


def test_a_slow_question_about_all_recordings_does_not_stop_other_backends() -> None:
    recorded("slow 1", "slow 2")
    recorded("fast", backend="theirs")
    release = anyio.Event()

    async def wait(_: Sequence[Recording]) -> set[str]:
        await release.wait()
        return set()

    async def work(meetings: MeetingService) -> None:
        backend, _ = prepare(meetings)
        backend.idle = wait
        other = cast(Recorder, meetings.backend("theirs"))
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(meetings.sweep, 0.0)
                while not other.processed:
                    await anyio.sleep(0.01)
                assert processed(backend) == []
                release.set()
        assert sorted(processed(backend)) == ["slow 1", "slow 2"]

    use(work, backend="ours")


def test_a_sweep_cleans_up_after_deleted_meetings() -> None:
    (key,) = recorded("m")
    with Store.open(load_settings().state_dir) as store:
        store.delete(key)

    async def work(meetings: MeetingService) -> list[str]:
        backend, _ = prepare(meetings)
        await meetings.sweep(0.0)
        return [recording.id for recording in backend.discarded]

    assert use(work, backend="ours") == [key]


def test_a_sweep_without_work_reads_two_indexes_and_creates_no_backend(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    rows = Database.rows

    def counted(database: Database, statement: str, *values: object) -> Any:
        statements.append(statement)
        return rows(database, statement, *values)

    async def work(meetings: MeetingService) -> None:
        await meetings.store.run(Store.recordings)  # opens the store
        monkeypatch.setattr(Database, "rows", counted)
        await meetings.sweep(0.0)

    use(work, backend="ours")
    assert len(statements) == 2
    assert recorders == {}


def test_a_store_that_can_only_be_read_is_not_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded("m")

    def forbid_writing(store: Store) -> None:
        assert isinstance(store, SqliteStore)
        store._database.read_only = True

    async def work(meetings: MeetingService) -> list[str]:
        backend, _ = prepare(meetings)
        await meetings.store.run(forbid_writing)
        await meetings.sweep(0.0)
        return processed(backend)

    assert use(work, backend="ours") == []
