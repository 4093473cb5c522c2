"""The process that the live sessions of a program share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from double.engine import model_folder, process_of
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.local import engine_process as module
from speech_adapters.backends.local.engine_process import EngineProcess
from speech_adapters.backends.local.job import TranscriptionJob
from speech_adapters.backends.local.options import LocalOptions
from speech_adapters.backends.local.protocol import WINDOW
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.config import Settings
from speech_adapters.contract import Recognized
from speech_adapters.errors import BackendError
from speech_adapters.recording.session import TemporaryRecording

SECOND = bytes(32_000)
WIDE = PcmFormat()
NARROW = PcmFormat(8_000)
Live = Callable[..., LocalSession]


@pytest.fixture
def live(fake_engine: Callable[..., Settings], tmp_path: Path) -> Live:
    """Create a live session; those with the same behavior of the engine share a process."""

    def create(behavior: str = "speak", pcm: PcmFormat = WIDE) -> LocalSession:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        options = LocalOptions(model_path=model_folder(tmp_path / "models", behavior))
        job = TranscriptionJob(folder / "a.pcm", pcm, options, "auto", "en-US", True, "m")
        return LocalSession(job, TemporaryRecording(folder))

    return create


async def texts(session: LocalSession) -> list[str]:
    with anyio.fail_after(60):
        events = [event async for event in session.events()]
    return [event.utterance.text for event in events if isinstance(event, Recognized)]


async def complete(session: LocalSession, seconds: int = 1) -> list[str]:
    for _ in range(seconds):
        await session.push(SECOND)
    await session.finish()
    return await texts(session)


def children() -> list[int]:
    """Return the processes that this one has started and that still run."""
    stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    # After the name in parentheses: the state, and the parent.
    rests = [(int(stat.split()[0]), stat.rpartition(")")[2].split()) for stat in stats]
    return [pid for pid, rest in rests if int(rest[1]) == os.getpid() and rest[0] != "Z"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts processes in /proc")
def test_the_sessions_of_a_program_share_one_process(live: Live) -> None:
    before = children()

    async def work() -> list[int]:
        pids = []
        async with live() as first, live() as second:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first.push, SECOND)
                tasks.start_soon(second.push, SECOND)
            for session in (first, second):
                assert await complete(session) == ["Second 0.", "Second 1."]
                pids.append(process_of(session).pid)
        return pids

    pids = anyio.run(work)
    # Another event loop, as of another call of a command.
    pids += anyio.run(work)
    assert len(set(pids)) == 1
    assert set(children()) - set(before) == {pids[0]}


def test_other_options_need_another_process(live: Live) -> None:
    async def work() -> None:
        async with live("speak") as first, live("fail at the end") as second:
            await first.push(SECOND)
            await second.push(SECOND)
            assert process_of(first) is not process_of(second)

    anyio.run(work)


def test_the_death_of_the_process_ends_its_sessions_and_the_next_one_gets_another(
    live: Live,
) -> None:
    async def work() -> None:
        async with live() as first, live() as second:
            await first.push(SECOND)
            await second.push(SECOND)
            dead = process_of(first)
            os.kill(dead.pid, signal.SIGKILL)
            for session in (first, second):
                with pytest.raises(BackendError, match="process died"):
                    await texts(session)
        async with live() as third:
            assert await complete(third) == ["Second 0."]
            assert process_of(third) is not dead

    anyio.run(work)


def test_an_unexpected_error_ends_its_meeting_only(live: Live) -> None:
    async def work() -> None:
        async with live("bug at 8 kHz", NARROW) as broken, live("bug at 8 kHz") as other:
            await other.push(SECOND)
            await broken.push(SECOND)
            assert process_of(broken) is process_of(other)
            with pytest.raises(BackendError, match="unexpected ValueError") as caught:
                await texts(broken)
            assert "secret" not in str(caught.value)
            assert await complete(other) == ["Second 0.", "Second 1."]

    anyio.run(work)


def test_a_session_that_does_not_read_holds_up_no_other_one(live: Live) -> None:
    seconds = WINDOW  # of which each is more than one message

    async def work() -> None:
        async with live() as slow, live() as other:
            for _ in range(seconds):
                await slow.push(SECOND)
            await slow.finish()
            assert slow._engine is not None
            with anyio.fail_after(60):
                while len(slow._engine._messages) < WINDOW:
                    await anyio.sleep(0.01)
            assert process_of(slow)
            assert await complete(other) == ["Second 0."]
            # The rest waits on disk, as audio.
            assert len(slow._engine._messages) == WINDOW
            assert await texts(slow) == [f"Second {number}." for number in range(seconds)]

    anyio.run(work)


def test_a_meeting_that_hangs_ends_its_process_after_the_other_meetings(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_EXIT_SECONDS", 0.2)

    async def work() -> None:
        async with live("hang at 8 kHz") as other:
            hanging = live("hang at 8 kHz", NARROW)
            await hanging.push(SECOND)
            with anyio.fail_after(60):
                async for _ in hanging.events():
                    break  # the engine hangs after its first block of audio
            await other.push(SECOND)
            shared = process_of(other)
            await hanging.aclose()
            # It accepts no further meetings, since it will be killed.
            async with live("hang at 8 kHz") as third:
                assert await complete(third) == ["Second 0."]
                assert process_of(third) is not shared
            assert await complete(other) == ["Second 0.", "Second 1."]
            assert shared._child.poll() is None
        assert shared._child.wait(60) == -signal.SIGKILL

    anyio.run(work)


def test_a_process_without_sessions_ends_after_a_while(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)

    async def work() -> EngineProcess:
        async with live() as session:
            await session.push(SECOND)
            await anyio.sleep(0.2)  # the session keeps it
            assert await complete(session) == ["Second 0.", "Second 1."]
            return process_of(session)

    first = anyio.run(work)
    assert first._child.wait(60) == 0
    assert anyio.run(work) is not first


def test_a_process_that_does_not_end_is_killed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE_SECONDS", 0.05)
    monkeypatch.setattr(module, "_EXIT_SECONDS", 0.2)

    async def work() -> EngineProcess:
        async with live() as session:
            assert await complete(session) == ["Second 0."]
            os.kill(process_of(session).pid, signal.SIGSTOP)
            return process_of(session)

    assert anyio.run(work)._child.wait(60) == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_program_does_not_keep_the_process_of_its_parent(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> EngineProcess:
        async with live() as session:
            assert await complete(session) == ["Second 0."]
            return process_of(session)

    shared = anyio.run(work)
    wait, proceed = os.pipe()
    if not (child := os.fork()):
        # Ends without the handlers of the test run.
        os.close(proceed)
        os.read(wait, 1)
        os._exit(len(module._processes))
    os.close(wait)
    # The end of its input: the child has no copy of the pipe.
    shared._commands.put(None)
    assert shared._child.wait(60) == 0
    os.close(proceed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
