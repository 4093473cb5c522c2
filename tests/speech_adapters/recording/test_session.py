"""Sessions that record into a file, with a real store behind them."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from speech_adapters.contract import BlockingSession, JobState, MeetingRequest, Mode
from speech_adapters.errors import (
    AudioError,
    BackendError,
    MeetingBusyError,
    StoreError,
    UnavailableError,
)
from speech_adapters.recording import session as module
from speech_adapters.recording.session import (
    SpoolSession,
    StoredRecording,
    StoredSession,
    TemporaryRecording,
)
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.store import AsyncStore, Recording, Store

SOUND = bytes(range(200)) * 16


class Recorded:
    """A recording in a store, its session, and the ids that were processed."""

    def __init__(self, store: AsyncStore, recording: Recording, owner: StoredRecording) -> None:
        self.store = store
        self.recording = recording
        self.owner = owner
        self.session = SpoolSession(recording.audio_path, owner)

    async def now(self) -> Recording:
        return await self.store.run(Store.get, self.recording.id)


def use(
    folder: Path,
    work: Callable[[Recorded], Awaitable[Any]],
    process: Callable[[str], Awaitable[None]],
    mode: Mode = Mode.STORED,
) -> None:
    async def run() -> None:
        store = AsyncStore(folder)
        request = MeetingRequest("m", mode=mode)
        lock = await store.run(Store.lock_meeting, "m")
        recording = await store.run(Store.create, request, "local")
        try:
            await work(Recorded(store, recording, StoredRecording(store, recording, lock, process)))
            # Whatever happened, the meeting can be recorded again.
            (await store.run(Store.lock_meeting, "m")).release()
        finally:
            await store.aclose()

    anyio.run(run)


@pytest.fixture
def processed() -> list[str]:
    return []


@pytest.fixture
def process(processed: list[str]) -> Callable[[str], Awaitable[None]]:
    async def note(recording_id: str) -> None:
        processed.append(recording_id)

    return note


def test_what_is_pushed_is_on_disk_and_processed_once_finished(
    tmp_path: Path, process: Any, processed: list[str]
) -> None:
    async def work(recorded: Recorded) -> None:
        session = recorded.session
        await session.push(SOUND)
        assert recorded.recording.audio_path.read_bytes() == SOUND
        await session.push(b"")
        await session.push(SOUND)
        assert (await recorded.now()).state is JobState.UPLOADING
        await session.finish()
        await session.finish()
        found = await recorded.now()
        assert (found.state, found.audio_bytes) == (JobState.PROCESSING, 2 * len(SOUND))
        assert [event async for event in session.events()] == []
        with pytest.raises(MeetingBusyError):
            await recorded.store.run(Store.lock_meeting, "m")
        await session.aclose()
        await session.aclose()

    use(tmp_path, work, process)
    assert len(processed) == 1


def test_a_session_closed_early_hands_over_what_it_has(
    tmp_path: Path, process: Any, processed: list[str]
) -> None:
    async def work(recorded: Recorded) -> None:
        async with recorded.session as session:
            await session.push(SOUND)
        assert (await recorded.now()).audio_bytes == len(SOUND)
        with pytest.raises(BackendError, match="ended already"):
            await recorded.session.push(SOUND)
        assert [event async for event in recorded.session.events()] == []

    use(tmp_path, work, process)
    assert len(processed) == 1


def test_a_meeting_without_audio_fails_and_its_events_raise(tmp_path: Path, process: Any) -> None:
    async def work(recorded: Recorded) -> None:
        async with recorded.session as session:
            await session.finish()
            with pytest.raises(AudioError, match="no audio"):
                [event async for event in session.events()]
        found = await recorded.now()
        assert found.state is JobState.FAILED
        assert "no audio" in found.reason

    use(tmp_path, work, process)


def test_events_wait_for_the_end_of_the_audio(tmp_path: Path, process: Any) -> None:
    async def work(recorded: Recorded) -> None:
        ended = anyio.Event()

        async def listen() -> None:
            assert [event async for event in recorded.session.events()] == []
            ended.set()

        async with recorded.session as session, anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await session.push(SOUND)
            assert not ended.is_set()
            await session.finish()
            with anyio.fail_after(30):
                await ended.wait()

    use(tmp_path, work, process)


@pytest.mark.parametrize("end", ["finish", "aclose"])
def test_processing_that_fails_raises_and_still_unlocks_the_meeting(
    tmp_path: Path, end: str
) -> None:
    async def refuse(_: str) -> None:
        raise UnavailableError("not now")

    async def work(recorded: Recorded) -> None:
        await recorded.session.push(SOUND)
        with pytest.raises(UnavailableError):
            await getattr(recorded.session, end)()
        assert [event async for event in recorded.session.events()] == []
        await recorded.session.aclose()
        assert (await recorded.now()).state is JobState.PROCESSING

    use(tmp_path, work, refuse)


@pytest.mark.parametrize("completed", [True, False])
def test_a_live_recording_is_processed_only_if_its_session_did_not_complete_it(
    tmp_path: Path, process: Any, processed: list[str], completed: bool
) -> None:
    async def work(recorded: Recorded) -> None:
        await recorded.session.push(SOUND)
        await recorded.session.finish()
        assert processed == []
        await recorded.owner.release(completed)
        await recorded.session.aclose()

    use(tmp_path, work, process, Mode.BOTH)
    assert len(processed) == (0 if completed else 1)


def test_the_audio_of_a_live_meeting_is_removed_at_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    folder.mkdir()

    async def work() -> None:
        async with SpoolSession(folder / "a.pcm", TemporaryRecording(folder)) as session:
            await session.push(SOUND)
            await session.finish()
            assert (folder / "a.pcm").exists()

    anyio.run(work)
    assert not folder.exists()


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make every write wait until the event is set."""
    proceed = threading.Event()
    write = SpoolWriter.write

    def write_late(spool: SpoolWriter, pcm: bytes) -> None:
        assert proceed.wait(30)
        write(spool, pcm)

    monkeypatch.setattr(SpoolWriter, "write", write_late)
    return proceed


def test_a_session_closed_during_a_push_keeps_its_audio(
    tmp_path: Path, process: Any, slow_disk: threading.Event
) -> None:
    async def work(recorded: Recorded) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(recorded.session.push, SOUND)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(recorded.session.aclose)
            await anyio.wait_all_tasks_blocked()
            slow_disk.set()
        found = await recorded.now()
        assert (found.state, found.audio_bytes) == (JobState.PROCESSING, len(SOUND))

    use(tmp_path, work, process)


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_a_finish_that_is_canceled_has_ended_the_recording(
    tmp_path: Path, process: Any, mode: Mode
) -> None:
    async def work(recorded: Recorded) -> None:
        async with recorded.session as session:
            await session.push(SOUND)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await session.finish()
        # Not cut off: the program has announced the end.
        found = await recorded.now()
        assert (found.state, found.audio_bytes) == (JobState.PROCESSING, len(SOUND))
        assert found.notes == ()

    use(tmp_path, work, process, mode)


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_closing_does_not_wait_for_ever_for_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    monkeypatch.setattr(module, "_PROCESS_SECONDS", 0.05)
    started: list[str] = []

    async def hang(recording_id: str) -> None:
        started.append(recording_id)
        await anyio.sleep_forever()

    async def work(recorded: Recorded) -> None:
        await recorded.session.push(SOUND)
        with anyio.fail_after(30):
            if mode is Mode.STORED:
                await recorded.session.aclose()
            else:
                await recorded.session.finish()
                await recorded.owner.release(False)
        assert (await recorded.now()).state is JobState.PROCESSING
        await recorded.session.aclose()

    use(tmp_path, work, hang, mode)
    assert len(started) == 1


def test_events_end_when_a_session_is_closed_while_it_is_processed(tmp_path: Path) -> None:
    proceed = anyio.Event()

    async def wait(_: str) -> None:
        await proceed.wait()

    async def work(recorded: Recorded) -> None:
        session = recorded.session
        await session.push(SOUND)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.finish)
            await anyio.sleep(0.05)
            await session.aclose()
            with anyio.fail_after(30):
                assert [event async for event in session.events()] == []
            proceed.set()

    use(tmp_path, work, wait)


def test_a_session_that_is_never_closed_causes_a_warning(tmp_path: Path) -> None:
    session = SpoolSession(tmp_path / "a.pcm", TemporaryRecording(tmp_path))
    with pytest.warns(ResourceWarning, match="SpoolSession was never closed"):
        del session


def test_no_audio_is_added_to_a_recording_whose_lock_was_lost(tmp_path: Path) -> None:
    async def process(_: str) -> None:
        pass

    async def work(recorded: Recorded) -> None:
        await recorded.session.push(SOUND)
        recorded.owner._lock.release()
        with pytest.raises(StoreError, match="lock was lost"):
            await recorded.session.push(SOUND)
        await recorded.session.aclose()
        assert (await recorded.now()).audio_bytes == len(SOUND)

    use(tmp_path, work, process)


def test_audio_is_on_disk_when_a_thread_has_written_it_in_order_with_pushes(
    tmp_path: Path, process: Any
) -> None:
    async def work(recorded: Recorded) -> None:
        session = StoredSession(recorded.recording.audio_path, recorded.owner)
        await session.push(b"ab")
        await anyio.to_thread.run_sync(session.push_blocking, b"cd")
        assert recorded.recording.audio_path.read_bytes() == b"abcd"
        session.push_blocking(b"")
        await session.finish()
        assert (await recorded.now()).audio_bytes == 4
        with pytest.raises(BackendError, match="ended already"):
            session.push_blocking(b"ef")
        assert recorded.recording.audio_path.read_bytes() == b"abcd"
        await session.aclose()
        await recorded.session.aclose()

    use(tmp_path, work, process)


def test_a_session_closed_while_a_thread_writes_has_the_size_of_its_file(
    tmp_path: Path, process: Any
) -> None:
    async def work(recorded: Recorded) -> None:
        session = StoredSession(recorded.recording.audio_path, recorded.owner)
        began = anyio.Event()

        def write() -> None:
            while True:
                session.push_blocking(SOUND)
                anyio.from_thread.run_sync(began.set)

        async def write_to_the_end() -> None:
            with pytest.raises(BackendError, match="ended already"):
                await anyio.to_thread.run_sync(write)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write_to_the_end)
            await began.wait()
            await session.aclose()
        size = recorded.recording.audio_path.stat().st_size
        assert (await recorded.now()).audio_bytes == size
        await recorded.session.aclose()

    use(tmp_path, work, process)


def test_only_a_session_that_does_nothing_else_with_its_audio_can_be_written_by_threads() -> None:
    assert issubclass(StoredSession, BlockingSession)
    # The others override push, which a write by a thread would go past.
    assert not issubclass(SpoolSession, BlockingSession)
