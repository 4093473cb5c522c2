"""A backend without an engine: it reads the numbers that clock audio consists of.

Its phrases are the numbers of their first and last tenth of a second
(:func:`speech_compat.testing.loopback.clock_audio`), so that a test sees which audio arrived,
and in which order.  A process finds the backend by the entry point that :func:`install` writes.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import attrs

from double.packages import install_entry_points
from speech_adapters import threads
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Backend,
    Hypothesis,
    Mode,
    Progress,
    Recognized,
    Session,
    SessionEvent,
)
from speech_adapters.recording.backend import Host, RecordingBackend
from speech_adapters.recording.session import (
    RecordingOwner,
    SpoolSession,
    TemporaryRecording,
)
from speech_adapters.request import MeetingRequest
from speech_adapters.store import Recording, Store
from speech_adapters.store.files import remove_files
from speech_adapters.temporary import create_folder
from speech_adapters.transcript import TICKS_PER_SECOND, Provenance, Transcript, Utterance

__all__ = ["NAME", "PHRASE_TENTHS", "ClockBackend", "create", "install", "numbers"]

NAME: Final = "clock"
PHRASE_TENTHS: Final = 20
_TENTH: Final = TICKS_PER_SECOND // 10
_ENTRY_POINT: Final = f"[speech_adapters.backends]\n{NAME} = double.clock_backend:create\n"


def create(settings: Settings, host: Host) -> Backend:
    return ClockBackend(host, NAME)


def install(folder: Path) -> Path:
    """Write the backend's entry point into a folder for ``PYTHONPATH``; return the folder."""
    return install_entry_points(folder, "clock_backend", _ENTRY_POINT)


def numbers(text: str) -> list[int]:
    """Return the tenths that a phrase names."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last) + 1))


class ClockBackend(RecordingBackend):
    offline = True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(live=True, stored=True, max_channels=None)

    @property
    def provenance(self) -> Provenance:
        return Provenance(NAME, "1")

    async def open_session(self, request: MeetingRequest) -> Session:
        folder = await threads.AUDIO.run(create_folder)
        return ClockSession(folder / "audio.pcm", TemporaryRecording(folder), request, _nothing)

    async def open_recording(
        self, request: MeetingRequest, recording: Recording, owner: RecordingOwner
    ) -> Session:
        if request.mode is Mode.STORED:
            return await super().open_recording(request, recording, owner)

        async def complete() -> None:
            await self.process(await self._host.store.run(Store.get, recording.id))

        return ClockSession(recording.audio_path, owner, request, complete)

    async def process(self, recording: Recording) -> None:
        audio = await threads.STORE.run(_read, recording.audio_path)
        reader = _Reader(recording.request)
        phrases = [*reader.read(audio), *reader.finish()]
        transcript = Transcript(
            recording.meeting_id,
            tuple(phrases),
            recording.request.audio.ticks(len(audio)),
            attrs.evolve(self.provenance, notes=recording.provenance_notes),
        )
        if await self._host.store.run(Store.complete, recording.id, transcript):
            await threads.STORE.run(remove_files, recording.audio_path)


class ClockSession(SpoolSession):
    """Returns a phrase for every two seconds of audio, as soon as they have arrived."""

    def __init__(
        self,
        audio: Path,
        owner: RecordingOwner,
        request: MeetingRequest,
        complete: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(audio, owner)
        self._reader = _Reader(request)
        self._complete = complete
        self._completed = False
        # Unbounded: the audio of a meeting that is taken over comes before anyone reads events.
        self._send, self._receive = anyio.create_memory_object_stream[SessionEvent](math.inf)

    async def push(self, audio: bytes) -> None:
        await super().push(audio)
        await self._emit(self._reader.read(audio))

    async def events(self) -> AsyncIterator[SessionEvent]:
        async for event in self._receive:
            yield event
        if not self._closed:
            await self._complete()
            self._completed = True

    async def _emit(self, phrases: list[Utterance]) -> None:
        # The session may be closed meanwhile.
        with suppress(anyio.ClosedResourceError):
            for phrase in phrases:
                for event in (Hypothesis(phrase), Recognized(phrase), Progress(phrase.end)):
                    await self._send.send(event)

    async def _finish(self) -> None:
        await super()._finish()
        if not self._closed:
            await self._emit(self._reader.finish())
        self._send.close()

    async def _release(self) -> None:
        self._send.close()
        self._receive.close()
        await self._owner.release(self._completed)


class _Reader:
    """From clock audio to phrases."""

    def __init__(self, request: MeetingRequest) -> None:
        self._bytes = request.audio.sample_rate // 10 * request.audio.frame_bytes
        self._rest = b""
        self._tenths: list[int] = []
        self._count = 0

    def read(self, audio: bytes) -> list[Utterance]:
        self._rest += audio
        whole = len(self._rest) // self._bytes * self._bytes
        for start in range(0, whole, self._bytes):
            self._tenths.append(int.from_bytes(self._rest[start : start + 2], "little"))
        self._rest = self._rest[whole:]
        found = []
        while len(self._tenths) >= PHRASE_TENTHS:
            found.append(self._phrase(self._tenths[:PHRASE_TENTHS]))
            del self._tenths[:PHRASE_TENTHS]
        return found

    def finish(self) -> list[Utterance]:
        left, self._tenths = self._tenths, []
        return [self._phrase(left)] if left else []

    def _phrase(self, tenths: list[int]) -> Utterance:
        offset, self._count = self._count * _TENTH, self._count + len(tenths)
        text = f"{tenths[0]}-{tenths[-1]}"
        speaker = tenths[0] // PHRASE_TENTHS % 2
        return Utterance(uuid.uuid4().hex, text, offset, len(tenths) * _TENTH, speaker=speaker)


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


async def _nothing() -> None:
    pass
