from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from double import faulty_backend
from double.faulty_backend import Faulty
from double.meetings import run
from speech_adapters.backends.shadow.creation import Creation
from speech_adapters.config import Settings
from speech_adapters.errors import ConfigurationError, NoBackendError
from speech_adapters.meetings import MeetingService


def use(folder: Path, work: Any) -> None:
    run(Settings(state_dir=folder), work)


def test_a_backend_is_created_in_a_daemon_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    threads: list[threading.Thread] = []
    faulty_backend.install(monkeypatch)
    start = Faulty.__init__

    def note(self: Faulty, *arguments: Any) -> None:
        threads.append(threading.current_thread())
        start(self, *arguments)

    async def work(meetings: MeetingService) -> None:
        async with await Creation(meetings, "faulty").result() as backend:
            assert backend.name == "faulty"

    monkeypatch.setattr(Faulty, "__init__", note)
    use(tmp_path, work)
    assert [thread.daemon for thread in threads] == [True]


def test_errors_of_the_creation_are_raised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def work(meetings: MeetingService) -> None:
        with pytest.raises(ConfigurationError, match="no key"):
            await Creation(meetings, "faulty").result()
        with pytest.raises(NoBackendError, match="missing"):
            await Creation(meetings, "missing").result()

    faulty_backend.install(monkeypatch, "creation")
    use(tmp_path, work)


def test_a_backend_that_comes_too_late_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = threading.Event()
    close = Faulty.aclose

    async def note(self: Faulty) -> None:
        await close(self)
        closed.set()

    async def work(meetings: MeetingService) -> None:
        creation = Creation(meetings, "faulty")
        with anyio.move_on_after(0.05):
            await creation.result()
        creation.abandon()

    faulty_backend.install(monkeypatch, "creation hangs")
    monkeypatch.setattr(Faulty, "aclose", note)
    use(tmp_path, work)
    faulty_backend.go_on()
    assert closed.wait(20)
