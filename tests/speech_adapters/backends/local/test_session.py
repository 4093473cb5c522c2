"""What the conformance suite does not see: the worker's death, and the temporary folder."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import anyio
import pytest

from speech_adapters import MeetingRequest, Mode
from speech_adapters.backends.local.backend import LocalBackend
from speech_adapters.backends.local.session import LocalSession
from speech_adapters.config import load_settings
from speech_adapters.errors import BackendError

pytestmark = pytest.mark.engine


async def opened(mode: Mode) -> tuple[LocalBackend, LocalSession]:
    backend = LocalBackend(load_settings())
    session = await backend.open_session(MeetingRequest("m", mode=mode))
    assert isinstance(session, LocalSession)
    await session.push(bytes(32_000))
    return backend, session


def test_the_death_of_the_worker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        backend, session = await opened(Mode.LIVE)
        assert session._process is not None
        os.kill(session._process.pid, signal.SIGKILL)
        with pytest.raises(BackendError, match="process died"):
            [event async for event in session.events()]
        await session.push(bytes(3200))  # the program may not have noticed yet
        await session.aclose()
        await backend.aclose()

    anyio.run(work)


def test_the_audio_of_a_live_meeting_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def work() -> None:
        backend, session = await opened(Mode.LIVE)
        assert len(list(tmp_path.iterdir())) == 1
        await session.aclose()
        await backend.aclose()

    anyio.run(work)
    assert list(tmp_path.iterdir()) == []


def test_a_worker_stopped_in_the_middle_of_a_stored_meeting_is_followed_by_another() -> None:
    async def work() -> str:
        backend, session = await opened(Mode.BOTH)
        await session.aclose()
        with anyio.fail_after(60):
            while not (status := await backend.status("m")).state.final:
                await anyio.sleep(0.1)
        await backend.aclose()
        return status.state.value

    assert anyio.run(work) == "Completed"
