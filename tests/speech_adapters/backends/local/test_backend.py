from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from speech_adapters.backends.local.backend import LocalBackend
from speech_adapters.backends.local.job import acquire_worker_slot
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus, Mode, Session
from speech_adapters.errors import BackendError, ConfigurationError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.session import StoredSession
from speech_adapters.recording.workers import log_path
from speech_adapters.store import Recording, Store

T = TypeVar("T")
Fake = Callable[..., Settings]
SECOND = bytes(32_000)


def use(settings: Settings, work: Callable[[MeetingService], Awaitable[T]]) -> T:
    async def closing() -> T:
        async with MeetingService(settings) as meetings:
            return await work(meetings)

    return anyio.run(closing)


async def record(meetings: MeetingService, mode: Mode, seconds: int = 1) -> None:
    async with await meetings.open_session(MeetingRequest("m", mode=mode)) as session:
        for _ in range(seconds):
            await session.push(SECOND)
        await session.finish()


async def final_status(meetings: MeetingService) -> MeetingStatus:
    with anyio.fail_after(60):
        while not (status := await meetings.status("m")).state.final:
            await anyio.sleep(0.05)
    return status


async def newest(meetings: MeetingService) -> Recording:
    return await meetings.store.run(Store.newest, "m")


async def gone(path: Path) -> None:
    with anyio.fail_after(60):
        while path.exists():
            await anyio.sleep(0.05)


def test_it_describes_itself() -> None:
    async def work(meetings: MeetingService) -> None:
        backend = meetings.backend()
        assert isinstance(backend, LocalBackend)
        assert backend.name == "local"
        assert backend.provenance.version.startswith("faster-whisper")
        assert backend.capabilities.languages == frozenset({"en"})
        assert backend.capabilities.word_timestamps
        assert backend.capabilities.max_speakers_hint
        assert not backend.capabilities.detects_languages
        # What it can process offline is processed as soon as the next meeting starts.
        assert backend.offline

    use(load_settings({"backend": "local", "backends.local.language": "EN"}), work)


@pytest.mark.parametrize(
    "setting", [{"downmix": "loudest"}, {"backends.local.model_path": "/no/such/folder"}]
)
def test_a_wrong_setting_is_an_error_when_it_is_created(setting: dict[str, str]) -> None:
    async def work(meetings: MeetingService) -> None:
        with pytest.raises(ConfigurationError):
            meetings.backend()

    use(load_settings({"backend": "local", **setting}), work)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(Mode.LIVE, LocalSession), (Mode.BOTH, LocalSession), (Mode.STORED, StoredSession)],
)
def test_only_live_events_need_a_worker_during_the_meeting(mode: Mode, kind: type[object]) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m", mode=mode)) as session:
            assert type(session) is kind

    use(load_settings({"backend": "local"}), work)


def test_a_live_meeting_is_recorded_into_a_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m", mode=Mode.LIVE)):
            (folder,) = tmp_path.iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
        assert list(tmp_path.iterdir()) == []

    use(load_settings({"backend": "local"}), work)


@pytest.mark.parametrize("mode", [Mode.STORED, Mode.BOTH])
def test_a_stored_meeting_is_completed(fake_engine: Fake, mode: Mode) -> None:
    async def work(meetings: MeetingService) -> list[str]:
        await record(meetings, mode, seconds=2)
        assert (await final_status(meetings)).state is JobState.COMPLETED
        recording = await newest(meetings)
        await gone(log_path(recording))
        assert not recording.audio_path.exists()
        return [u.text for u in (await meetings.transcript("m")).utterances]

    assert use(fake_engine(), work) == ["Second 0.", "Second 1."]


def test_an_engine_that_always_dies_fails_the_meeting(fake_engine: Fake) -> None:
    async def work(meetings: MeetingService) -> str:
        await record(meetings, Mode.STORED)
        return (await final_status(meetings)).reason

    assert "died 3 times" in use(fake_engine("die"), work)


def test_a_failed_meeting_is_resumed_with_the_present_options(fake_engine: Fake) -> None:
    async def fail(meetings: MeetingService) -> None:
        await record(meetings, Mode.STORED)
        assert (await final_status(meetings)).state is JobState.FAILED
        assert log_path(await newest(meetings)).exists()

    async def resume(meetings: MeetingService) -> JobState:
        await meetings.resume("m")
        return (await final_status(meetings)).state

    use(fake_engine("fail"), fail)
    assert use(fake_engine("speak"), resume) is JobState.COMPLETED


def test_a_worker_that_cannot_be_started_leaves_the_meeting_to_a_later_query(
    fake_engine: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = fake_engine()

    async def work(meetings: MeetingService) -> JobState:
        with monkeypatch.context() as patch:
            patch.setattr(
                "speech_adapters.backends.local.job.command", lambda *_: ["/no/such/program"]
            )
            with pytest.raises(BackendError, match="cannot be started"):
                await record(meetings, Mode.STORED)
        return (await final_status(meetings)).state

    assert use(settings, work) is JobState.COMPLETED


def test_a_meeting_waits_in_the_store_while_all_workers_are_busy(
    fake_engine: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.local.job._WORKERS", 1)
    spawned: list[object] = []
    monkeypatch.setattr(
        "speech_adapters.backends.local.backend.spawn_detached",
        lambda *arguments: spawned.append(arguments[:3]),
    )

    async def work(meetings: MeetingService) -> None:
        slot = acquire_worker_slot(tmp_path / "state")
        assert slot is not None
        with slot:
            await record(meetings, Mode.STORED)
            waiting = await newest(meetings)
            assert waiting.step == "waiting until other meetings are transcribed"
            assert "speak" in waiting.backend_state
            await meetings.status("m")
            # Nothing has changed, so nothing was written.
            assert await newest(meetings) == waiting
        assert spawned == []
        await meetings.status("m")
        assert spawned == [(tmp_path / "state", waiting.id, log_path(waiting))]
        slot = acquire_worker_slot(tmp_path / "state")
        assert slot is not None, "the slot was left to the worker"
        slot.release()

    (tmp_path / "state" / "locks").mkdir(parents=True)
    use(fake_engine(), work)


def test_a_meeting_that_is_deleted_while_it_is_transcribed_live_ends_with_the_reason(
    fake_engine: Fake,
) -> None:
    async def work(meetings: MeetingService) -> None:
        request = MeetingRequest("m", mode=Mode.BOTH)

        async def delete_after_the_first_event(session: Session) -> None:
            async for _ in session.events():  # so the engine has opened the audio
                recording = await newest(meetings)
                await meetings.store.run(Store.delete, recording.id)
                await session.push(SECOND)

        async with await meetings.open_session(request) as session:
            await session.push(SECOND)
            with pytest.raises(BackendError, match="was deleted"), anyio.fail_after(60):
                await delete_after_the_first_event(session)

    use(fake_engine(), work)


def test_deletion_removes_the_log_of_a_failed_meeting(fake_engine: Fake) -> None:
    async def work(meetings: MeetingService) -> None:
        await record(meetings, Mode.STORED)
        await final_status(meetings)
        recording = await newest(meetings)
        assert log_path(recording).exists()
        await meetings.delete("m")
        assert not log_path(recording).exists()
        assert await meetings.store.run(Store.due_cleanups, 1e12) == []

    use(fake_engine("fail"), work)


def test_a_log_that_cannot_be_removed_is_removed_later(fake_engine: Fake) -> None:
    async def work(meetings: MeetingService) -> None:
        await record(meetings, Mode.STORED)
        await final_status(meetings)
        recording = await newest(meetings)
        log_path(recording).unlink()
        log_path(recording).mkdir()
        await meetings.delete("m")
        (due,) = await meetings.store.run(Store.due_cleanups, 1e12)
        assert due.id == recording.id

    use(fake_engine("fail"), work)


def test_a_meeting_deleted_while_its_worker_runs_leaves_no_trace(
    fake_engine: Fake, tmp_path: Path
) -> None:
    settings = fake_engine("wait")

    async def work(meetings: MeetingService) -> None:
        await record(meetings, Mode.STORED, seconds=2)
        recording = await newest(meetings)
        with anyio.fail_after(60):
            # The attempt is counted just before the engine starts.
            while not (await newest(meetings)).attempts:
                await anyio.sleep(0.05)
        await meetings.delete("m")
        assert not recording.audio_path.exists()
        shutil.rmtree(tmp_path / "models")
        await gone(log_path(recording))
        with anyio.fail_after(60):
            while await meetings.store.run(Store.due_cleanups, 1e12):
                await anyio.sleep(0.05)
        assert (await newest(meetings)).state is JobState.DELETED

    use(settings, work)
