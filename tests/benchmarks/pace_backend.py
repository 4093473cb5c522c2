"""A backend for load tests: stored meetings are only recorded, live ones return phrases.

A live session keeps no audio: it counts what arrives, and returns a hypothesis and a result for
every two seconds of it.  A stored meeting is recorded as by any other backend, and its
transcript is empty.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import anyio

from double.packages import install_entry_points
from speech_adapters.capabilities import Capabilities
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Backend,
    Hypothesis,
    MeetingRequest,
    Recognized,
    Session,
    SessionEvent,
)
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import TICKS_PER_SECOND, Provenance, Transcript, Utterance

__all__ = ["NAME", "PHRASE_SECONDS", "create", "install"]

NAME: Final = "pace"
PHRASE_SECONDS: Final = 2
_ENTRY_POINT: Final = f"[speech_adapters.backends]\n{NAME} = benchmarks.pace_backend:create\n"


def create(settings: Settings, host: Host) -> Backend:
    """Return the backend."""
    return _PaceBackend(host, NAME)


def install(folder: Path) -> Path:
    """Write the backend's entry point into a folder for ``sys.path``; return the folder."""
    return install_entry_points(folder, "pace_backend", _ENTRY_POINT)


class _PaceBackend(RecordingBackend):
    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=True, stored=True, max_channels=None)

    @property
    def provenance(self) -> Provenance:
        return Provenance(NAME, "1")

    async def open_session(self, request: MeetingRequest) -> Session:
        return _LiveSession(request)

    async def process(self, recording: Recording) -> None:
        duration = recording.request.audio.ticks(recording.audio_bytes or 0)
        transcript = Transcript(recording.meeting_id, (), duration, self.provenance)
        await self._host.store.run(Store.complete, recording.id, transcript)


class _LiveSession(AsyncCloseable):
    def __init__(self, request: MeetingRequest) -> None:
        self._phrase = request.audio.bytes_per_second * PHRASE_SECONDS
        self._size = 0
        self._changed = anyio.Event()
        self._ended = False
        self._opened()

    async def push(self, audio: bytes) -> None:
        phrases = self._size // self._phrase
        self._size += len(audio)
        if self._size // self._phrase > phrases:
            self._changed.set()

    async def finish(self) -> None:
        self._ended = True
        self._changed.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        sent = 0
        while True:
            while sent < self._size // self._phrase:
                length = PHRASE_SECONDS * TICKS_PER_SECOND
                utterance = Utterance(uuid.uuid4().hex, "Yes.", sent * length, length, 0)
                yield Hypothesis(utterance)
                yield Recognized(utterance)
                sent += 1
            if self._ended:
                return
            self._changed = anyio.Event()
            await self._changed.wait()

    async def aclose(self) -> None:
        await self.finish()
        await super().aclose()
