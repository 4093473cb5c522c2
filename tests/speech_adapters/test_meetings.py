"""The meeting service: dispatch, recovery, deletion, and what a status query costs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from speech_adapters import meetings as module
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus, Mode, Session
from speech_adapters.errors import (
    ConfigurationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    StoreError,
    UnavailableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript

T = TypeVar("T")
DONE = Transcript("m", (), 5, Provenance("batch", "1"))
REQUEST = MeetingRequest("m", mode=Mode.STORED)


class Recorder(RecordingBackend):
    """Notes what the service asks of it."""

    def __init__(self, host: Host, name: str) -> None:
        self.processed: list[Recording] = []
        self.discarded: list[Recording] = []
        self.step: Callable[[Recording], Awaitable[None]] | None = None
        self.pauses: list[float | None] = []
        self.deleted: list[str] = []
        super().__init__(host, name)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=False, stored=True)

    @property
    def provenance(self) -> Provenance:
        return Provenance(self._name, "1")

    @property
    def store(self) -> Any:
        return self._host.store

    async def process(self, recording: Recording) -> None:
        self.processed.append(recording)
        if self.step is not None:
            await self.step(recording)

    async def discard(self, recording: Recording) -> float | None:
        self.discarded.append(recording)
        return self.pauses.pop(0) if self.pauses else None

    async def delete(self, meeting_id: str) -> None:
        self.deleted.append(meeting_id)
        await super().delete(meeting_id)


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Recorder]]:
    """Make every backend a recorder; returns those that were created, by name."""
    created: dict[str, Recorder] = {}

    def create(_: Settings, name: str, host: Host) -> Recorder:
        assert name not in created, "a service creates each backend once"
        created[name] = Recorder(host, name)
        return created[name]

    monkeypatch.setattr(module, "create_backend", create)
    return created  # type: ignore[return-value]


def use(work: Callable[[MeetingService], Awaitable[T]], **properties: str) -> T:
    async def run() -> T:
        async with MeetingService(load_settings(properties)) as meetings:
            return await work(meetings)

    return anyio.run(run)


def stored(state: JobState, backend: str = "batch") -> Recording:
    """Record a meeting with a backend that is not configured here."""
    with Store.open(load_settings().state_dir) as store:
        recording = store.create(REQUEST, backend)
        if state is not JobState.UPLOADING:
            store.close_audio(recording.id, 2)
        if state is JobState.COMPLETED:
            store.complete(recording.id, DONE)
        if state is JobState.FAILED:
            store.fail(recording.id, "for a reason")
        return store.get(recording.id)


async def record(meetings: MeetingService, audio: bytes = bytes(3_200)) -> Session:
    session = await meetings.open_session(REQUEST)
    await session.push(audio)
    return session


# --- meetings that are finished or unknown ------------------------------------------


def test_what_is_finished_needs_no_backend() -> None:
    stored(JobState.COMPLETED)
    assert use(lambda meetings: meetings.status("m")).state is JobState.COMPLETED
    assert use(lambda meetings: meetings.transcript("m")) == DONE


def test_why_it_failed_needs_no_backend() -> None:
    stored(JobState.FAILED)
    assert use(lambda meetings: meetings.status("m")).reason == "for a reason"
    with pytest.raises(MeetingFailedError, match="for a reason"):
        use(lambda meetings: meetings.transcript("m"))


@pytest.mark.parametrize("question", ["status", "resume", "delete"])
def test_what_is_not_finished_is_its_own_backends_business(question: str) -> None:
    stored(JobState.PROCESSING)
    with pytest.raises(ConfigurationError, match="The batch backend needs"):
        use(lambda meetings: getattr(meetings, question)("m"))


@pytest.mark.parametrize("question", ["status", "transcript", "resume", "delete"])
def test_an_unknown_meeting_is_unknown(question: str) -> None:
    with pytest.raises(MeetingNotFoundError, match="nobody"):
        use(lambda meetings: getattr(meetings, question)("nobody"))


# --- dispatch ------------------------------------------------------------------------


@pytest.mark.parametrize("left", [JobState.UPLOADING, JobState.PROCESSING])
def test_a_recording_stays_with_the_backend_that_recorded_it(
    recorders: dict[str, Recorder], left: JobState
) -> None:
    """Its audio was not meant for another one, and may have to stay on the machine."""
    recording = stored(left, "theirs")
    recording.audio_path.write_bytes(bytes(3_200))

    async def work(meetings: MeetingService) -> MeetingStatus:
        await (await record(meetings)).aclose()
        return await meetings.status("m")

    use(work, backend="ours")
    assert [found.id for found in recorders["theirs"].processed] == [recording.id]
    assert recording.id not in {found.id for found in recorders["ours"].processed}


def test_a_recording_that_is_assigned_to_another_backend_is_processed_there_at_once(
    recorders: dict[str, Recorder],
) -> None:
    async def work(meetings: MeetingService) -> None:
        first = recorders["first"] if meetings.backend("first") else None
        assert first is not None

        async def assign(recording: Recording) -> None:
            await meetings.store.run(Store.assign, recording.id, "second")

        first.step = assign
        await (await record(meetings)).aclose()

    use(work, backend="first")
    assert len(recorders["first"].processed) == 1
    assert [found.backend for found in recorders["second"].processed] == ["second"]


def test_one_task_at_a_time_processes_a_recording(recorders: dict[str, Recorder]) -> None:
    async def work(meetings: MeetingService) -> None:
        recording = stored(JobState.PROCESSING, "ours")
        meetings.backend("ours")
        started, proceed = anyio.Event(), anyio.Event()

        async def step(_: Recording) -> None:
            started.set()
            await proceed.wait()

        recorders["ours"].step = step
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(meetings.process, recording.id)
            await started.wait()
            await meetings.process(recording.id)
            assert (await meetings.status("m")).state is JobState.PROCESSING
            proceed.set()
        assert len(recorders["ours"].processed) == 1

    use(work, backend="ours")


def test_offline_backends_process_older_recordings_when_the_next_one_starts(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = stored(JobState.UPLOADING, "ours")
    recording.audio_path.write_bytes(bytes(3_200))
    monkeypatch.setattr(Recorder, "offline", True)

    async def work(meetings: MeetingService) -> None:
        session = await record(meetings)
        assert [found.id for found in recorders["ours"].processed] == [recording.id]
        await session.aclose()

    use(work, backend="ours")


# --- failures ------------------------------------------------------------------------


def test_a_session_that_cannot_start_leaves_the_meeting_unlocked(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise UnavailableError("not now")

    async def work(meetings: MeetingService) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "open_recording", refuse)
            with pytest.raises(UnavailableError):
                await meetings.open_session(REQUEST)
        await (await record(meetings)).aclose()

    use(work, backend="ours")


def test_a_step_that_fails_leaves_the_recording_unlocked_and_is_tried_again(
    recorders: dict[str, Recorder],
) -> None:
    stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")

        async def fail(_: Recording) -> None:
            raise UnavailableError("not now")

        recorders["ours"].step = fail
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await meetings.status("m")

    use(work, backend="ours")
    assert len(recorders["ours"].processed) == 2


def test_a_closed_service_says_so(recorders: dict[str, Recorder]) -> None:
    async def work(meetings: MeetingService) -> None:
        await meetings.aclose()
        with pytest.raises(StoreError, match="closed"):
            await meetings.open_session(REQUEST)

    use(work, backend="ours")
    assert not recorders


def test_a_service_that_is_never_closed_causes_a_warning() -> None:
    meetings = MeetingService(load_settings())
    with pytest.warns(ResourceWarning, match="MeetingService was never closed"):
        del meetings


# --- deletion ------------------------------------------------------------------------


def test_a_meeting_that_is_recorded_is_not_deleted(recorders: dict[str, Recorder]) -> None:
    async def work(meetings: MeetingService) -> None:
        session = await record(meetings)
        with pytest.raises(MeetingBusyError):
            await meetings.delete("m")
        assert not recorders["ours"].deleted
        await session.aclose()
        await meetings.delete("m")

    use(work, backend="ours")
    assert recorders["ours"].deleted == ["m"]


def test_what_cannot_be_deleted_at_once_is_deleted_later(recorders: dict[str, Recorder]) -> None:
    stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> list[int]:
        meetings.backend("ours")
        recorders["ours"].pauses = [0.0, 1_000.0]
        counts = []
        await meetings.delete("m")
        for _ in range(3):
            counts.append(len(recorders["ours"].discarded))
            assert (await meetings.status("m")).state is JobState.DELETED
        return counts

    # At once, at the first status query, and not before the pause is over.
    assert use(work, backend="ours") == [1, 2, 2]


def test_a_recording_deleted_during_a_step_is_discarded_after_it(
    recorders: dict[str, Recorder],
) -> None:
    recording = stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")

        async def delete(_: Recording) -> None:
            await meetings.delete("m")
            assert not recorders["ours"].discarded  # the step may still make more

        recorders["ours"].step = delete
        await meetings.process(recording.id)

    use(work, backend="ours")
    assert [found.id for found in recorders["ours"].discarded] == [recording.id]
    with Store.open(load_settings().state_dir) as store:
        assert store.due_cleanups(time.time()) == []


def test_a_cleanup_that_fails_does_not_fail_the_query_of_another_meeting(
    recorders: dict[str, Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")
        recorders["ours"].pauses = [0.0]
        await meetings.delete("m")
        with pytest.MonkeyPatch.context() as patch:

            async def fail(*_: object) -> None:
                raise UnavailableError("not now")

            patch.setattr(Recorder, "discard", fail)
            with pytest.raises(MeetingNotFoundError):
                await meetings.status("another")

    use(work, backend="ours")
    assert "is not deleted yet: not now" in caplog.text


# --- the cost of a status query ------------------------------------------------------


def test_a_hundred_queries_open_one_store_and_create_one_backend(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(JobState.PROCESSING, "ours")
    opened: list[Path] = []
    open_store = Store.open

    def open_counted(_: type[Store], directory: Path) -> Store:
        opened.append(directory)
        return open_store(directory)

    monkeypatch.setattr(Store, "open", classmethod(open_counted))

    async def work(meetings: MeetingService) -> None:
        for _ in range(100):
            await meetings.status("m")

    use(work, backend="ours")
    assert len(opened) == 1
    assert len(recorders) == 1
    assert len(recorders["ours"].processed) == 100
