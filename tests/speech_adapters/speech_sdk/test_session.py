"""Sessions that record and recognize at once, with scripted recognizers."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from double.recognition import RecognizerScript, audio, offsets, texts
from speech_adapters import threads
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import BlockingSession, Recognized, SessionEvent
from speech_adapters.errors import AudioError, BackendError, UnavailableError
from speech_adapters.speech_sdk import session as module
from speech_adapters.speech_sdk.feeder import Feeder
from speech_adapters.speech_sdk.journal import Journal, read_journal
from speech_adapters.speech_sdk.messages import Failed
from speech_adapters.speech_sdk.normalizer import EventNormalizer
from speech_adapters.speech_sdk.options import DriverOptions
from speech_adapters.speech_sdk.session import LiveSession

BLOCK = 2_000_000


class Owner:
    """Owns a recording; keeps what the session reported."""

    def __init__(self) -> None:
        self.size: int | None = -1
        self.completed: list[bool] = []

    def check(self) -> None:
        pass

    async def hand_over(self, size: int | None) -> None:
        self.size = size

    async def release(self, completed: bool) -> None:
        self.completed.append(completed)


async def nothing_left() -> bool:
    return True


def create(
    folder: Path,
    script: RecognizerScript,
    *,
    owner: Owner | None = None,
    journal: Journal | None = None,
    complete: Callable[[], Awaitable[bool]] = nothing_left,
) -> LiveSession:
    path = folder / "audio.pcm"

    def feeder(emit: Callable[[SessionEvent], None], backlog: Callable[[], int]) -> Feeder:
        options = DriverOptions(retry_seconds=0.0, attempts=1)
        normalizer = EventNormalizer("m", "en-US")
        return Feeder(path, PcmFormat(), "auto", options, script.connect, normalizer, emit, backlog)

    return LiveSession(path, owner or Owner(), journal, feeder, complete)


async def everything(session: LiveSession) -> list[SessionEvent]:
    return [event async for event in session.events()]


def test_events_come_while_the_audio_flows(tmp_path: Path) -> None:
    async def work() -> None:
        owner = Owner()
        async with create(tmp_path, RecognizerScript(), owner=owner) as session:
            events = session.events()
            for block in range(3):
                await session.push(audio(block / 5, 0.2))
                found = [await anext(events) for _ in range(2)]
                assert offsets(found) == [block * BLOCK]
            await session.finish()
            assert [event async for event in events] == []
        assert owner.size == 3 * 6_400
        assert owner.completed == [True]

    anyio.run(work)


def test_waiting_sessions_use_no_pooled_thread(tmp_path: Path) -> None:
    """More of them than a pool has threads."""

    async def work() -> None:
        results: dict[int, list[int]] = {}

        async def read(number: int, session: LiveSession) -> None:
            results[number] = offsets(await everything(session))

        folders = [tmp_path / str(number) for number in range(60)]
        for folder in folders:
            folder.mkdir()
        sessions = [create(folder, RecognizerScript()) for folder in folders]
        async with anyio.create_task_group() as tasks:
            for number, session in enumerate(sessions):
                tasks.start_soon(read, number, session)
            await anyio.wait_all_tasks_blocked()
            assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            # Each kind of thread still runs something.
            for kind in (threads.AUDIO, threads.STORE, threads.COMPUTE, threads.TRANSFER):
                with anyio.fail_after(60):
                    assert await kind.run(threading.active_count)
            for session in sessions:
                await session.push(audio(0, 0.2))
                await session.finish()
        for session in sessions:
            await session.aclose()
        assert results == {number: [0] for number in range(60)}

    anyio.run(work)


def test_an_utterance_is_on_disk_before_its_event(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "audio.said"
        script = RecognizerScript()
        async with create(tmp_path, script, journal=Journal(path)) as session:
            await session.push(audio(0, 0.2))
            await session.finish()
            async for event in session.events():
                if isinstance(event, Recognized):
                    assert read_journal(path) == [event.utterance]

    anyio.run(work)


def test_the_error_of_a_recognizer_ends_the_events_after_those_before(tmp_path: Path) -> None:
    async def work() -> None:
        script = RecognizerScript(ended=lambda r: r.send(Failed(UnavailableError("lost"))))
        owner = Owner()
        async with create(tmp_path, script, owner=owner) as session:
            await session.push(audio(0, 0.2))
            await session.finish()
            events = session.events()
            found = [await anext(events) for _ in range(2)]
            assert texts(found) == ["0"]
            with pytest.raises(UnavailableError, match="lost"):
                await anext(events)
        assert owner.completed == [False], "its owner processes the rest"

    anyio.run(work)


def test_an_unexpected_error_is_reported_without_its_text(tmp_path: Path) -> None:
    def broken(_: Any) -> None:
        raise KeyError("what was said")

    async def work() -> None:
        async with create(tmp_path, RecognizerScript(started=broken)) as session:
            await session.push(audio(0, 0.2))
            with pytest.raises(BackendError, match="unexpected KeyError") as caught:
                await everything(session)
            assert "what was said" not in str(caught.value)
            assert isinstance(caught.value.__cause__, KeyError)

    anyio.run(work)


def test_no_audio_is_an_error_only_while_the_session_is_open(tmp_path: Path) -> None:
    async def work() -> None:
        async with create(tmp_path, RecognizerScript()) as session:
            await session.finish()
            with pytest.raises(AudioError, match="no audio"):
                await everything(session)
        closed = create(tmp_path, RecognizerScript())
        await closed.aclose()
        assert await everything(closed) == []

    anyio.run(work)


def test_closing_ends_the_events_of_another_task(tmp_path: Path) -> None:
    async def work() -> None:
        async def complete() -> bool:
            raise AssertionError("not all was recognized")

        owner = Owner()
        script = RecognizerScript(ended=lambda _: None)
        session = create(tmp_path, script, owner=owner, complete=complete)
        found: list[SessionEvent] = []

        async def read() -> None:
            found.extend(await everything(session))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await session.push(audio(0, 0.2))
            await session.finish()
            await session.aclose()
            await session.aclose()
        assert set(texts(found)) <= {"0"}
        assert owner.completed == [False]

    anyio.run(work)


def test_closing_does_not_wait_for_a_recognizer_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CLOSE_SECONDS", 0.01)
    hanging, released = threading.Event(), threading.Event()

    def start(_: Any) -> None:
        hanging.set()
        released.wait(60)

    async def work() -> None:
        owner = Owner()
        session = create(tmp_path, RecognizerScript(started=start), owner=owner)
        await session.push(audio(0, 0.2))
        await anyio.to_thread.run_sync(hanging.wait)
        await session.aclose()
        assert owner.completed == [False]
        assert not released.is_set()
        released.set()

    anyio.run(work)


def test_closing_waits_for_a_transcript_that_is_being_stored(tmp_path: Path) -> None:
    async def work() -> None:
        owner = Owner()
        storing, stored = anyio.Event(), anyio.Event()

        async def complete() -> bool:
            storing.set()
            await stored.wait()
            return True

        session = create(tmp_path, RecognizerScript(), owner=owner, complete=complete)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(everything, session)
            await session.push(audio(0, 0.2))
            await session.finish()
            await storing.wait()
            tasks.start_soon(session.aclose)
            await anyio.wait_all_tasks_blocked()
            stored.set()
        assert owner.completed == [True], "a worker would recognize all of it again"

    anyio.run(work)


def test_what_is_left_to_process_is_left_to_the_owner(tmp_path: Path) -> None:
    async def work() -> None:
        async def complete() -> bool:
            return False

        owner = Owner()
        async with create(tmp_path, RecognizerScript(), owner=owner, complete=complete) as session:
            await session.push(audio(0, 0.2))
            await session.finish()
            await everything(session)
        assert owner.completed == [False]

    anyio.run(work)


def test_any_thread_can_push_the_audio(tmp_path: Path) -> None:
    script = RecognizerScript()

    async def work() -> list[SessionEvent]:
        async with create(tmp_path, script) as session:
            assert isinstance(session, BlockingSession)
            for number in range(5):
                await anyio.to_thread.run_sync(session.push_blocking, audio(number / 5, 0.2))
            session.push_blocking(b"")
            await session.finish()
            return await everything(session)

    assert offsets(anyio.run(work))[-1] < 5 * BLOCK
    assert bytes(script.recognizers[0].audio) == audio(0, 1)
