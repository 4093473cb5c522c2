"""A backend that lists the calls of the meeting service, and recordings for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from double.meetings import run
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode, Session
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance, Transcript

__all__ = ["DONE", "REQUEST", "Recorder", "record", "stored", "use"]

T = TypeVar("T")
DONE = Transcript("m", (), 5, Provenance("batch", "1"))
REQUEST = MeetingRequest("m", mode=Mode.STORED)


class Recorder(RecordingBackend):
    """Lists what the meeting service calls it for."""

    def __init__(self, host: Host, name: str) -> None:
        self.processed: list[Recording] = []
        self.discarded: list[Recording] = []
        self.step: Callable[[Recording], Awaitable[None]] | None = None
        self.idle: Callable[[Sequence[Recording]], Awaitable[set[str]]] | None = None
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

    async def refresh(self, recordings: Sequence[Recording]) -> set[str]:
        return await self.idle(recordings) if self.idle is not None else set()

    async def discard(self, recording: Recording) -> float | None:
        self.discarded.append(recording)
        return self.pauses.pop(0) if self.pauses else None

    async def delete(self, meeting_id: str) -> None:
        self.deleted.append(meeting_id)
        await super().delete(meeting_id)


def use(work: Callable[[MeetingService], Awaitable[T]], **properties: str) -> T:
    return run(load_settings(properties), work)


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
