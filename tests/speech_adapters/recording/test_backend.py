"""What a backend inherits: nothing live, and nothing at a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, MeetingRequest, Mode
from speech_adapters.errors import MeetingNotFoundError, UnsupportedError
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.recording.session import SpoolSession, StoredRecording
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.transcript import Provenance


class Plain(RecordingBackend):
    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=False, stored=True)

    @property
    def provenance(self) -> Provenance:
        return Provenance("plain", "1")

    async def process(self, recording: Recording) -> None:
        """Do nothing."""


class PlainHost:
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state_dir=folder)
        self.store = AsyncStore(folder)
        self.in_worker = False

    def backend(self, name: str) -> Backend:
        raise NotImplementedError

    def adopt(self, backend: Backend) -> Backend:
        raise NotImplementedError

    async def process(self, recording_id: str) -> None:
        raise NotImplementedError


def use(folder: Path, work: Callable[[Plain, PlainHost], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        host = PlainHost(folder)
        async with Plain(host, "plain") as backend:
            result = await work(backend, host)
        await host.store.aclose()
        return result

    return anyio.run(run)


def test_it_has_no_live_meetings(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="plain backend emits no live events"):
        use(tmp_path, lambda backend, _: backend.open_session(MeetingRequest("m")))


@pytest.mark.parametrize("question", ["status", "resume", "transcript", "delete"])
def test_its_service_keeps_no_meetings(tmp_path: Path, question: str) -> None:
    with pytest.raises(MeetingNotFoundError, match=f"no meeting 'm' in {tmp_path}"):
        use(tmp_path, lambda backend, _: getattr(backend, question)("m"))


def test_it_records_and_can_resume_while_the_audio_exists(tmp_path: Path) -> None:
    async def work(backend: Plain, host: PlainHost) -> None:
        request = MeetingRequest("m", mode=Mode.STORED)
        backend.check(request)
        lock = await host.store.run(Store.lock_meeting, "m")
        recording = await host.store.run(Store.create, request, "plain")

        async def process(_: str) -> None:
            await backend.process(recording)

        owner = StoredRecording(host.store, recording, lock, process)
        assert not backend.can_resume(recording)
        async with await backend.open_recording(request, recording, owner) as session:
            assert isinstance(session, SpoolSession)
            await session.push(bytes(3_200))
            assert backend.can_resume(recording)
        assert await backend.discard(recording) is None

    use(tmp_path, work)


def test_files_next_to_the_audio_are_discarded_now_or_later(tmp_path: Path) -> None:
    async def work(backend: Plain, host: PlainHost) -> None:
        recording = await host.store.run(Store.create, MeetingRequest("m"), "plain")
        recording.audio_path.write_bytes(bytes(2))
        log = recording.audio_path.with_suffix(".log")
        log.mkdir()  # a folder cannot be removed as a file
        assert await backend.discard(recording) == 60
        log.rmdir()
        log.write_text("trouble")
        assert await backend.discard(recording) is None
        assert list(log.parent.iterdir()) == [recording.audio_path]

    use(tmp_path, work)


def test_a_backend_must_define_how_it_processes() -> None:
    class Incomplete(RecordingBackend):
        @property
        def capabilities(self) -> Capabilities:
            return Capabilities(live=False, stored=True)

    with pytest.raises(TypeError, match="abstract"):
        Incomplete(None, "incomplete")  # type: ignore[abstract, arg-type]
