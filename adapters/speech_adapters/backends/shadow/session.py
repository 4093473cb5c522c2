"""A session of the primary backend whose audio is recorded for a second one too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import attrs

from speech_adapters.backends.shadow.second import SecondTranscripts
from speech_adapters.closeable import AsyncCloseable
from speech_adapters.contract import MeetingRequest, Origin, Recognized, Session, SessionEvent
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["ShadowSession"]

_ENDED_EARLY: Final = "The live meeting ended early, or its events were not read to the end."


class ShadowSession(AsyncCloseable):
    """Passes all on to the primary session; see :class:`speech_adapters.contract.Session`.

    What concerns the second transcript comes after the primary session has done its part, never
    waits and never raises.

    Args:
        session: the session of the primary backend.
        request: what the program asks for.
        seconds: the second transcripts.
        primary: the primary backend.
    """

    def __init__(
        self,
        session: Session,
        request: MeetingRequest,
        seconds: SecondTranscripts,
        primary: RecordingBackend,
    ) -> None:
        self._session = session
        self._request = request
        self._seconds = seconds
        self._primary = primary
        self._second = seconds.start(request)
        self._provenance = primary.provenance
        # The last form of each final utterance, by id, of a meeting that is only live.
        self._final: dict[str, Utterance] = {}
        self._size = 0
        self._opened()

    async def push(self, audio: bytes) -> None:
        """Send audio to both."""
        await self._session.push(audio)
        self._size += len(audio)
        self._second.push(audio)

    async def finish(self) -> None:
        """Mark the end of the audio for both."""
        try:
            await self._session.finish()
        finally:
            self._second.end()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield the events of the primary session, unchanged."""
        notes: tuple[str, ...] = (_ENDED_EARLY,)
        try:
            async for event in self._session.events():
                self._collect(event)
                yield event
            notes = ()
        finally:
            # Without it there would be nothing to compare the second transcript with.
            if self._size and not self._request.mode.stored:
                self._seconds.keep(self._request, self._transcript(notes), self._primary.owner_name)

    async def aclose(self) -> None:
        """Close the primary session; the second transcript goes on."""
        try:
            await self._session.aclose()
        finally:
            self._second.end()
            await super().aclose()

    def _collect(self, event: SessionEvent) -> None:
        if self._request.mode.stored:
            return
        if isinstance(event, Recognized):
            self._final[event.utterance.id] = event.utterance
        elif isinstance(event, Origin):
            self._provenance = event.provenance

    def _transcript(self, notes: tuple[str, ...]) -> Transcript:
        origin: Provenance = self._provenance
        return Transcript(
            self._request.meeting_id,
            tuple(sorted(self._final.values(), key=lambda utterance: utterance.offset)),
            self._request.audio.ticks(self._size),
            attrs.evolve(origin, notes=(*origin.notes, *self._request.notes, *notes)),
        )
