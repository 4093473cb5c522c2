"""The deletion of meetings, and the cleanup at their services."""

from __future__ import annotations

import time

import anyio
import pytest

from double.recorder import Recorder, record, stored, use
from speech_adapters import deletion as module
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.errors import (
    AuthenticationError,
    MeetingBusyError,
    MeetingNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.store.sqlite import SqliteStore


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
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = stored(JobState.PROCESSING, "ours")
    # The step deletes the meeting itself, so the deletion would wait for it in vain.
    monkeypatch.setattr(module, "_DELETION_LIMIT_SECONDS", 0.05)

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


@pytest.mark.parametrize(
    ("error", "early"), [(UnavailableError("not now"), 1), (AuthenticationError("no"), 0)]
)
def test_a_cleanup_that_is_refused_is_tried_again_much_later(
    recorders: dict[str, Recorder],
    monkeypatch: pytest.MonkeyPatch,
    error: SpeechError,
    early: int,
) -> None:
    stored(JobState.PROCESSING, "ours")

    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Recorder, "discard", fail)
    use(lambda meetings: meetings.delete("m"), backend="ours")
    with Store.open(load_settings().state_dir) as store:
        assert len(store.due_cleanups(time.time() + 120)) == early
        assert len(store.due_cleanups(time.time() + 3_700)) == 1


def test_a_cleanup_that_fails_leaves_nothing_else_of_the_meeting(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(JobState.PROCESSING, "ours")
    stored(JobState.COMPLETED, "ours")

    async def fail(*_: object) -> None:
        raise UnavailableError("not now")

    monkeypatch.setattr(Recorder, "discard", fail)

    async def work(meetings: MeetingService) -> set[JobState]:
        await meetings.delete("m")
        return {found.state for found in await meetings.recordings()}

    assert use(work, backend="ours") == {JobState.DELETED}
    with Store.open(load_settings().state_dir) as store:
        assert len(store.due_cleanups(time.time() + 3_600)) == 2


def test_a_service_that_does_not_answer_delays_one_status_query_only(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(JobState.PROCESSING, "ours")
    monkeypatch.setattr(module, "_CLEANUP_LIMIT_SECONDS", 0.05)
    tried: list[Recording] = []

    async def hang(_: Recorder, recording: Recording) -> None:
        tried.append(recording)
        await anyio.sleep_forever()

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")
        recorders["ours"].pauses = [0.0]
        await meetings.delete("m")
        monkeypatch.setattr(Recorder, "discard", hang)
        with anyio.fail_after(30):
            for _ in range(2):
                assert (await meetings.status("m")).state is JobState.DELETED

    use(work, backend="ours")
    assert len(tried) == 1


def test_the_second_of_two_deletions_finds_nothing(recorders: dict[str, Recorder]) -> None:
    stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        get_recordings = SqliteStore.recordings

        def read_then_delete(store: SqliteStore, meeting_id: str) -> list[Recording]:
            found = get_recordings(store, meeting_id)
            if found[0].state is not JobState.DELETED:
                store.delete(found[0].id)  # as another process does in this moment
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteStore, "recordings", read_then_delete)
            with pytest.raises(MeetingNotFoundError, match="deleted already"):
                await meetings.delete("m")

    use(work, backend="ours")


def test_a_deleted_recording_is_discarded_by_its_last_backend_only(
    recorders: dict[str, Recorder],
) -> None:
    recording = stored(JobState.PROCESSING, "first")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("first")

        async def lose_the_race(found: Recording) -> None:
            # As another process, which has passed it on before this one had the lock.
            await meetings.store.run(Store.assign, found.id, "second")
            await meetings.store.run(Store.delete, found.id)

        recorders["first"].step = lose_the_race
        await meetings.process(recording.id)
        assert not recorders["first"].discarded
        await meetings.status("m")

    use(work, backend="first")
    assert [found.id for found in recorders["second"].discarded] == [recording.id]


def test_a_deletion_waits_for_the_process_that_works_on_the_meeting(
    recorders: dict[str, Recorder],
) -> None:
    """It reports success only when nothing of the meeting can be made any more."""
    recording = stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")
        started = anyio.Event()

        async def upload(_: Recording) -> None:
            started.set()
            while (await meetings.store.run(Store.get, recording.id)).state is JobState.PROCESSING:
                await anyio.sleep(0.01)
            await anyio.sleep(0.3)
            assert not deleted
            await meetings.store.run(Store.update, recording.id, backend_state="made meanwhile")

        recorders["ours"].step = upload
        deleted: list[bool] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(meetings.process, recording.id)
            await started.wait()
            async with MeetingService(meetings.settings) as other:
                with pytest.MonkeyPatch.context() as patch:
                    ours = meetings.backend("ours")
                    patch.setattr(f"{MeetingService.__module__}.create_backend", lambda *_: ours)
                    await other.delete("m")
                    deleted.append(True)
        assert [found.backend_state for found in recorders["ours"].discarded][:1] == [
            "made meanwhile"
        ]

    use(work, backend="ours")
    with Store.open(load_settings().state_dir) as store:
        assert store.due_cleanups(time.time()) == []


def test_a_step_that_fails_because_its_meeting_was_deleted_is_no_error(
    recorders: dict[str, Recorder],
) -> None:
    recording = stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")

        async def fail(_: Recording) -> None:
            await meetings.store.run(Store.delete, recording.id)
            raise UnavailableError("the audio is gone")

        recorders["ours"].step = fail
        assert (await meetings.status("m")).state is JobState.DELETED

    use(work, backend="ours")
    assert [found.id for found in recorders["ours"].discarded] == [recording.id]


def test_a_file_that_a_worker_left_after_the_deletion_is_removed_without_its_backend() -> None:
    recording = stored(JobState.PROCESSING, "local")
    log = recording.audio_path.with_suffix(".log")

    async def work(meetings: MeetingService) -> None:
        await meetings.store.run(Store.delete, recording.id)
        log.write_text("of a worker")
        await meetings._deleter.discard(None, recording)

    use(work)
    assert not log.exists()
