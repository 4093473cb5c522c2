"""A backend that plays a scenario, for tests of the facade.

The registry finds it through an entry point, as any other backend: see :func:`install`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import anyio
import attrs
import pytest

from oracle.scenario import Phrase, Scenario
from speech_adapters import registry
from speech_adapters.capabilities import Capabilities
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Backend,
    Hypothesis,
    MeetingRequest,
    MeetingStatus,
    Origin,
    Recognized,
    Session,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    MeetingNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["Played", "create", "install"]


class Played:
    """The scenario to play, and what the backend received."""

    def __init__(self, scenario: Scenario, *, corrections: bool = False) -> None:
        self.scenario = scenario
        self.corrections = corrections
        self.requests: list[MeetingRequest] = []
        self.audio = bytearray()
        self.states: list[MeetingStatus] = []
        self.transcript: Transcript | None = None
        self.open_sessions = 0
        self.push_error: SpeechError | None = None
        self.origin: Provenance | None = None


_played = Played(Scenario())


def install(monkeypatch: pytest.MonkeyPatch, played: Played) -> Played:
    """Configure the backend ``scripted``, which plays ``played``."""
    point = EntryPoint("scripted", f"{__name__}:create", registry.GROUP)

    def entry_points(**wanted: Any) -> EntryPoints:
        found = metadata.entry_points(group=registry.GROUP)
        return EntryPoints((*found, point)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    monkeypatch.setattr(f"{__name__}._played", played)
    monkeypatch.setattr(
        "speech_compat._session.mapping.requests._logged", set()
    )  # gaps are logged once per process
    monkeypatch.setenv("SPEECH_COMPAT_BACKEND", "scripted")
    return played


def create(_: Settings) -> Backend:
    """Return the backend."""
    return _ScriptedBackend(_played)


class _ScriptedBackend(AsyncCloseable):
    name = "scripted"
    capabilities = Capabilities(live=True, stored=True, languages=frozenset({"en", "de"}))
    provenance = Provenance("scripted", "1")

    def __init__(self, played: Played) -> None:
        self._played = played

    async def open_session(self, request: MeetingRequest) -> Session:
        end = self._played.scenario.end
        if end == "refused":
            raise UnavailableError("Connection failed (no connection to the remote host).")
        if end == "unauthorized":
            raise AuthenticationError("Authentication error (401).")
        self._played.requests.append(request)
        self._played.open_sessions += 1
        return _ScriptedSession(self._played)

    async def status(self, meeting_id: str) -> MeetingStatus:
        states = self._played.states
        if not states:
            raise MeetingNotFoundError(f"There is no meeting {meeting_id!r}.")
        return states.pop(0) if len(states) > 1 else states[0]

    async def resume(self, meeting_id: str) -> MeetingStatus:
        return await self.status(meeting_id)

    async def transcript(self, meeting_id: str) -> Transcript:
        assert self._played.transcript is not None
        return self._played.transcript

    async def delete(self, meeting_id: str) -> None:
        await self.status(meeting_id)


class _ScriptedSession(AsyncCloseable):
    def __init__(self, played: Played) -> None:
        self._played = played
        self._received = anyio.Event()
        self._finished = anyio.Event()
        self._closed = False

    async def push(self, audio: bytes) -> None:
        if self._played.push_error is not None:
            raise self._played.push_error
        self._played.audio += audio
        self._received.set()

    async def finish(self) -> None:
        self._received.set()
        self._finished.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        await self._received.wait()
        if self._played.origin is not None:
            yield Origin(self._played.origin)
        phrases = self._played.scenario.phrases
        if phrases:
            yield SpeechStarted(phrases[0].offset)
        for phrase in phrases:
            for event in _events(phrase, self._played.corrections):
                yield event
        if self._played.scenario.end in ("bad-request", "malformed"):
            raise BackendError("Connection was closed by the remote host. Error code: 1007.")
        await self._finished.wait()
        if phrases and not self._closed:
            yield SpeechEnded(phrases[-1].offset + phrases[-1].duration)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._played.open_sessions -= 1
        await self.finish()


def _events(phrase: Phrase, corrections: bool) -> list[SessionEvent]:
    utterance = Utterance(
        uuid.uuid4().hex, phrase.text, phrase.offset, phrase.duration, phrase.speaker
    )
    parts = len(phrase.hypotheses) + 1
    hypotheses = [
        Hypothesis(attrs.evolve(utterance, text=text, duration=phrase.duration * number // parts))
        for number, text in enumerate(phrase.hypotheses, 1)
    ]
    corrected = Utterance(utterance.id, phrase.text, phrase.offset, phrase.duration, 5)
    return [
        *hypotheses,
        Recognized(utterance),
        *([Recognized(corrected, correction=True)] if corrections else []),
    ]
