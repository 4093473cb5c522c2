"""What the conformance suite does not cover: errors, and the death of the worker."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from double.engine import model_folder, process_of
from double.voices import MODEL, signature_text
from speech_adapters import Attendee, MeetingRequest, Mode
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import engine_process as module
from speech_adapters.backends.local.engine_process import EngineProcess
from speech_adapters.backends.local.job import TranscriptionJob, command
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import Progress, Recognized, SessionEvent, SpeechEnded
from speech_adapters.errors import AudioError, BackendError, StoreError
from speech_adapters.meetings import MeetingService


async def opened(mode: Mode) -> tuple[MeetingService, LocalSession]:
    meetings = MeetingService(load_settings({"backend": "local"}))
    session = await meetings.open_session(MeetingRequest("m", mode=mode))
    assert isinstance(session, LocalSession)
    await session.push(bytes(32_000))
    return meetings, session


@pytest.mark.engine
def test_the_death_of_the_worker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        meetings, session = await opened(Mode.LIVE)
        os.kill(process_of(session).pid, signal.SIGKILL)
        with pytest.raises(BackendError, match="process died"):
            [event async for event in session.events()]
        await session.push(bytes(3200))  # the program may not have noticed yet
        await session.aclose()
        await meetings.aclose()

    anyio.run(work)


@pytest.mark.engine
def test_the_audio_of_a_live_meeting_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def work() -> None:
        meetings, session = await opened(Mode.LIVE)
        assert len(list(tmp_path.iterdir())) == 1
        await session.aclose()
        await meetings.aclose()

    anyio.run(work)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.engine
def test_a_worker_stopped_in_the_middle_of_a_stored_meeting_is_followed_by_another() -> None:
    async def work() -> str:
        meetings, session = await opened(Mode.BOTH)
        await session.aclose()
        with anyio.fail_after(60):
            while not (status := await meetings.status("m")).state.final:
                await anyio.sleep(0.1)
        await meetings.aclose()
        return status.state.value

    assert anyio.run(work) == "Completed"


class Owner:
    """The owner of a recording outside of the store; it records the calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def check(self) -> None:
        pass

    async def hand_over(self, size: int | None) -> None:
        self.calls.append(size)

    async def release(self, completed: bool) -> None:
        self.calls.append(completed)


Live = Callable[..., LocalSession]


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def live(fake_engine: Callable[..., Settings], tmp_path: Path, owner: Owner) -> Live:
    """Create a live session whose worker has the double of the engine."""

    def create(behavior: str = "speak") -> LocalSession:
        options = LocalOptions(model_path=model_folder(tmp_path / "models", behavior))
        job = TranscriptionJob(tmp_path / "a.pcm", PcmFormat(), options, "auto", "en-US", True, "m")
        return LocalSession(job, owner)

    return create


SECOND = bytes(32_000)


async def all_events(session: LocalSession) -> list[SessionEvent]:
    with anyio.fail_after(60):
        return [event async for event in session.events()]


def test_events_follow_the_audio_and_complete_the_recording(live: Live, owner: Owner) -> None:
    async def work() -> list[SessionEvent]:
        async with live() as session:
            await session.push(SECOND)
            await session.push(b"")
            await session.push(SECOND)
            await session.finish()
            await session.finish()
            return await all_events(session)

    events = anyio.run(work)
    texts = [event.utterance.text for event in events if isinstance(event, Recognized)]
    assert texts == ["Second 0.", "Second 1."]
    assert isinstance(events[-1], SpeechEnded)
    assert owner.calls == [64_000, True]


def test_a_waiting_worker_continues_with_each_push(live: Live) -> None:
    async def work() -> None:
        async with live() as session, anyio.create_task_group() as tasks:
            offsets: list[int] = []

            async def follow() -> None:
                async for event in session.events():
                    if isinstance(event, Progress):
                        offsets.append(event.offset)

            tasks.start_soon(follow)
            with anyio.fail_after(60):
                for second in range(3):
                    await session.push(SECOND)
                    # The next second is pushed once the worker has nothing left to read.
                    while len(offsets) <= second or session._waiting_at is None:
                        await anyio.sleep(0.01)
                await session.finish()

    anyio.run(work)


def test_a_worker_that_waits_is_woken_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    woken: list[str] = []

    async def work() -> None:
        async with live() as session, anyio.create_task_group() as tasks:
            await session.push(SECOND)
            tasks.start_soon(all_events, session)
            with anyio.fail_after(60):
                while session._waiting_at is None:
                    await anyio.sleep(0.01)
            os.kill(process_of(session).pid, signal.SIGSTOP)  # so that it asks for nothing
            send = session._send

            def record(command: str, *argument: int) -> None:
                sent.append(command)
                send(command, *argument)

            monkeypatch.setattr(session, "_send", record)
            for _ in range(3):
                await session.push(SECOND)
            woken.extend(sent)
            os.kill(process_of(session).pid, signal.SIGCONT)
            await session.finish()

    anyio.run(work)
    assert woken == ["more"]


def test_the_end_is_final(live: Live, owner: Owner) -> None:
    async def work() -> None:
        session = live()
        await session.push(SECOND)
        await session.finish()
        with pytest.raises(BackendError, match="has ended already"):
            await session.push(SECOND)
        await session.aclose()
        await session.aclose()
        with pytest.raises(BackendError, match="has ended already"):
            await session.push(SECOND)
        await session.finish()

    anyio.run(work)
    assert owner.calls == [32_000, False]


def test_closing_early_hands_over_what_was_pushed(live: Live, owner: Owner) -> None:
    async def work() -> list[SessionEvent]:
        session = live()
        await session.push(SECOND)
        await session.aclose()
        return await all_events(session)

    anyio.run(work)
    assert owner.calls == [32_000, False]


@pytest.mark.parametrize("audio", [b"", SECOND])
def test_closing_ends_the_events_that_are_being_read(live: Live, audio: bytes) -> None:
    async def work() -> None:
        session = live()
        await session.push(audio)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(all_events, session)
            await anyio.wait_all_tasks_blocked()
            await session.aclose()
        assert await all_events(session) == []

    anyio.run(work)


def test_without_audio_the_events_end_with_the_reason(live: Live, owner: Owner) -> None:
    async def work() -> None:
        async with live() as session:
            await session.finish()
            with pytest.raises(AudioError, match="no audio"):
                await all_events(session)

    anyio.run(work)
    assert owner.calls == [0, False]


@pytest.mark.parametrize(
    ("behavior", "message"),
    [
        ("fail", "The speech engine failed as the test ordered"),
        ("die", "process died. A stored meeting is not lost"),
        ("stammer", "sent a message that cannot be read"),
    ],
)
def test_a_broken_engine_is_an_error_of_the_backend(
    live: Live, owner: Owner, behavior: str, message: str
) -> None:
    async def work() -> None:
        async with live(behavior) as session:
            await session.push(SECOND)
            await session.finish()
            with pytest.raises(BackendError, match=message) as caught:
                await all_events(session)
            assert "secret" not in str(caught.value)

    anyio.run(work)
    assert owner.calls == [32_000, False]


def test_a_worker_that_cannot_be_started_is_an_error_and_the_audio_is_kept(
    live: Live, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "command", lambda *_: ["/no/such/program"])

    async def work() -> list[SessionEvent]:
        async with live() as session:
            with pytest.raises(BackendError, match="process cannot be started"):
                await session.push(SECOND)
            await session.finish()
            return await all_events(session)

    assert anyio.run(work) == []
    assert owner.calls == [32_000, False]
    assert (tmp_path / "a.pcm").read_bytes() == SECOND


def test_a_worker_that_ignores_the_request_to_end_is_killed(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXIT_SECONDS", 0.2)

    async def work() -> int | None:
        session = live("hang")
        await session.push(SECOND)
        with anyio.fail_after(60):
            async for _ in session.events():
                break  # the engine hangs after its first block of audio
        worker = process_of(session)
        await session.aclose()
        return worker._child.returncode

    assert anyio.run(work) == -signal.SIGKILL


def test_an_error_at_the_end_of_the_audio_still_ends_the_events(
    live: Live, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with live() as session:
            await session.push(SECOND)

            async def fail(size: int | None) -> None:
                raise StoreError("The disk is full.")

            monkeypatch.setattr(owner, "hand_over", fail)
            with pytest.raises(StoreError):
                await session.finish()
            assert isinstance((await all_events(session))[-1], SpeechEnded)

    anyio.run(work)
    assert owner.calls == [True]


def test_an_error_while_closing_still_releases_the_recording(live: Live, owner: Owner) -> None:
    async def fail(size: int | None) -> None:
        raise StoreError("The disk is full.")

    async def work() -> None:
        session = live()
        await session.push(SECOND)
        vars(owner)["hand_over"] = fail
        with pytest.raises(StoreError):
            await session.aclose()

    anyio.run(work)
    assert owner.calls == [False]


def test_a_session_closed_while_its_worker_starts_leaves_no_worker(
    live: Live, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    proceed, workers = threading.Event(), list[EngineProcess]()

    class Late(EngineProcess):
        def __init__(self, command: list[str]) -> None:
            assert proceed.wait(60)
            super().__init__(command)
            workers.append(self)

    monkeypatch.setattr(module, "EngineProcess", Late)
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)

    async def work() -> None:
        session = live()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.push, SECOND)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(session.aclose)
            await anyio.wait_all_tasks_blocked()
            proceed.set()

    anyio.run(work)
    assert [worker._child.wait(60) for worker in workers] == [0]
    assert owner.calls == [len(SECOND), False]


def test_a_finish_that_is_canceled_has_ended_the_recording(live: Live, owner: Owner) -> None:
    async def work() -> None:
        async with live() as session:
            await session.push(SECOND)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await session.finish()
            assert owner.calls == [len(SECOND)]

    anyio.run(work)


def test_a_session_that_is_never_closed_is_reported(live: Live) -> None:
    async def forget() -> None:
        live()
        gc.collect()

    with pytest.warns(ResourceWarning, match="LocalSession was never closed"):
        anyio.run(forget)


# Stores its command line and the first line of its input, and ends the meeting.
LISTENER = """
import sys
line = sys.stdin.readline()
with open(sys.argv[1], "w") as file:
    file.write(line + repr(sys.argv[2:]))
sys.stdout.write('1 {"kind": "Finished"}\\n')
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize("signed", [True, False])
def test_attendees_reach_the_engine_on_its_input_with_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Owner, signed: bool
) -> None:
    seen = tmp_path / "seen"
    program = [sys.executable, "-c", LISTENER, str(seen)]
    monkeypatch.setattr(module, "command", lambda *arguments: [*program, *command(*arguments)])
    people = (Attendee("katie@example.com", "en", signature_text()),) if signed else ()
    job = TranscriptionJob(
        *(tmp_path / "a.pcm", PcmFormat(), LocalOptions(), "auto", "en-US", True, "m"),
        attendees=people,
    )

    async def work() -> None:
        async with LocalSession(job, owner) as session:
            await session.push(SECOND)
            await session.finish()
            assert [event async for event in session.events()] == []

    anyio.run(work)
    line, _, arguments = seen.read_text().partition("\n")
    assert line == f"start 1 {job.dump()}"
    assert ("katie" in line) is signed
    assert "speech_adapters.backends.local.worker" in arguments
    assert "katie" not in arguments
    assert MODEL not in arguments
