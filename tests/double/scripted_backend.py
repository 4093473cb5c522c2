"""A backend whose sessions send ordered events at ordered positions of the audio."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import attrs
import pytest

from speech_adapters import registry
from speech_adapters.capabilities import Capabilities
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import Backend, MeetingRequest, MeetingStatus, Session, SessionEvent
from speech_adapters.errors import MeetingNotFoundError, SpeechError
from speech_adapters.event_queue import EventQueue, LoopEvent
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["SECOND", "Script", "ScriptedSession", "install", "said"]

SECOND = 10_000_000


def said(text: str, start: float, end: float, speaker: int | None = 0, **more: Any) -> Utterance:
    """Return an utterance; times in seconds.  Its id is made from the text."""
    offset, stop = round(start * SECOND), round(end * SECOND)
    own = uuid.uuid5(uuid.NAMESPACE_OID, text).hex
    return Utterance(own, text, offset, stop - offset, speaker, **more)


@attrs.define
class Script:
    """What the sessions do, and what they were asked.

    Attributes:
        events: events, or an error that ends the session, each with the seconds of audio after
            which it comes; later ones come at the end of the audio.
        open_errors: raised by the next openings.
        push_error: raised by every push.
        finish_error: raised by the end of the audio.
        requests: the request of each opened session.
        sessions: the sessions.
        blocked: whether a push waits for ``go_on``.
    """

    events: list[tuple[float, SessionEvent | SpeechError | Exception]] = attrs.field(factory=list)
    open_errors: list[SpeechError] = attrs.field(factory=list)
    push_error: SpeechError | None = None
    finish_error: SpeechError | None = None
    requests: list[MeetingRequest] = attrs.field(factory=list)
    sessions: list[ScriptedSession] = attrs.field(factory=list)
    blocked: bool = False

    def session(self, request: MeetingRequest) -> ScriptedSession:
        """Return a session, as the backend opens it."""
        if self.open_errors:
            raise self.open_errors.pop(0)
        self.requests.append(request)
        self.sessions.append(ScriptedSession(self, request))
        return self.sessions[-1]


class ScriptedSession(AsyncCloseable):
    """A session; see :class:`Script`."""

    def __init__(self, script: Script, request: MeetingRequest) -> None:
        self.audio = bytearray()
        self.finished = self.closed = False
        self._script = script
        self._request = request
        self._due = list(script.events)
        self._queue: EventQueue[SessionEvent | Exception | None] = EventQueue()
        self._go_on = LoopEvent()

    def go_on(self) -> None:
        """Let blocked pushes go on."""
        self._script.blocked = False
        self._go_on.set()

    async def push(self, audio: bytes) -> None:
        if self._script.blocked:
            await self._go_on.wait()
        if self._script.push_error is not None:
            raise self._script.push_error
        self.audio += audio
        self._send(len(self.audio) / self._request.audio.bytes_per_second)

    async def finish(self) -> None:
        self.finished = True
        if self._script.finish_error is not None:
            raise self._script.finish_error
        self._send(float("inf"))
        self._queue.put(None)

    async def events(self) -> AsyncIterator[SessionEvent]:
        while (event := await self._queue.get()) is not None:
            if isinstance(event, Exception):
                raise event
            if self._request.mode.live:
                yield event

    async def aclose(self) -> None:
        self.closed = True
        self._queue.put(None)
        await super().aclose()

    def _send(self, reached: float) -> None:
        while self._due and self._due[0][0] <= reached:
            self._queue.put(self._due.pop(0)[1])


class _ScriptedBackend(AsyncCloseable):
    name = "scripted"
    capabilities = Capabilities(live=True, stored=True, max_channels=None)
    provenance = Provenance("scripted", "1")

    async def open_session(self, request: MeetingRequest) -> Session:
        return _script.session(request)

    async def status(self, meeting_id: str) -> MeetingStatus:
        raise MeetingNotFoundError("There is no such meeting.")

    async def resume(self, meeting_id: str) -> MeetingStatus:
        return await self.status(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        raise MeetingNotFoundError("There is no such meeting.")

    async def delete(self, meeting_id: str) -> None:
        await self.status(meeting_id)


_script = Script()


def create(_: Settings) -> Backend:
    """Return the backend."""
    return _ScriptedBackend()


def install(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    """Add the backend ``scripted``, which plays ``script``, and the backend ``clock``."""
    points = (
        EntryPoint("scripted", f"{__name__}:create", registry.GROUP),
        EntryPoint("clock", "double.clock_backend:create", registry.GROUP),
    )

    def entry_points(**wanted: Any) -> EntryPoints:
        found = metadata.entry_points(group=registry.GROUP)
        return EntryPoints((*found, *points)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.setattr(f"{__name__}._script", script)
