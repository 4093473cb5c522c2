"""The meetings of one owner.

In the store the id of a meeting is ``OWNER/ID``, where ID is the one that the client chose.  So
two owners may choose the same id, and no id leads to the meeting of another owner.  An owner's
name has no slash, so the first slash always ends it, whatever the client's id contains.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus, Session
from speech_adapters.errors import MeetingNotFoundError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import MeetingSummary
from speech_adapters.store.files import StoredAudio
from speech_adapters.transcript import StreamedTranscript, Transcript
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.gateway.access import Caller
from speech_compat.gateway.outward import outward, outward_text

__all__ = ["OwnedMeetings"]


class OwnedMeetings:
    """The view of one owner on a meeting service.

    Its methods are those of :class:`~speech_adapters.meetings.MeetingService` with the ids of
    the client, and raise the same classes of errors, with texts that may be sent to a client.

    Args:
        meetings: the meeting service.
        caller: who asks.
    """

    def __init__(self, meetings: MeetingService, caller: Caller) -> None:
        self.meetings = meetings
        self._prefix = f"{caller.owner}/"

    def stored_id(self, meeting_id: str) -> str:
        """Return the id in the store of a meeting that the client calls ``meeting_id``."""
        return self._prefix + meeting_id

    def client_id(self, stored_id: str) -> str:
        """Return the id that the client chose."""
        return stored_id.removeprefix(self._prefix)

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting; processing continues where it was interrupted.

        Raises:
            MeetingNotFoundError: the owner has no meeting of that id.
            SpeechError: its backend cannot be used.
        """
        with self._outward(meeting_id):
            return self._shown(await self.meetings.status(self.stored_id(meeting_id)))

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of a meeting, with the client's id.

        Raises:
            MeetingNotFoundError: the owner has no meeting of that id, or it was deleted.
            MeetingFailedError: it failed.
            MeetingBusyError: it is not finished yet.
            SpeechError: its backend cannot be used.
        """
        with self._outward(meeting_id):
            found = await self.meetings.transcript(self.stored_id(meeting_id))
        return attrs.evolve(found, meeting_id=meeting_id)

    async def stream(self, meeting_id: str) -> StreamedTranscript:
        """Return the transcript of a meeting, with the client's id, for one of any length.

        Iterating over its utterances blocks; see :meth:`MeetingService.stream`.

        Raises: as :meth:`transcript`.
        """
        with self._outward(meeting_id):
            found = await self.meetings.stream(self.stored_id(meeting_id))
        return StreamedTranscript(meeting_id, found.utterances, found.duration, found.provenance)

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Retry a meeting that has failed, and return its status.

        Raises:
            MeetingNotFoundError: the owner has no meeting of that id.
            MeetingFailedError: a retry is impossible.
            SpeechError: its backend cannot be used.
        """
        with self._outward(meeting_id):
            return self._shown(await self.meetings.resume(self.stored_id(meeting_id)))

    async def delete(self, meeting_id: str) -> None:
        """Delete audio and transcript of a meeting; one that was deleted before stays so.

        Raises:
            MeetingNotFoundError: the owner never had a meeting of that id.
            MeetingBusyError: it is being recorded.
            SpeechError: its backend cannot be used; nothing was deleted.
        """
        stored = self.stored_id(meeting_id)
        with self._outward(meeting_id):
            try:
                await self.meetings.delete(stored)
            except MeetingNotFoundError:
                # Raises the same error for a meeting that never existed.
                if (await self.meetings.status(stored)).state is not JobState.DELETED:
                    raise

    async def list(self, limit: int, before: str = "") -> list[MeetingSummary]:
        """Return summaries of the meetings, the newest first.

        Args:
            limit: how many at most.
            before: the ``recording_id`` of the last summary of the page before, or empty.

        Raises:
            SpeechError: the store cannot be used.
        """
        with self._outward(""):
            found = await self.meetings.summaries(self._prefix, limit, before)
        return [self._summary(summary) for summary in found]

    async def summary(self, meeting_id: str) -> MeetingSummary:
        """Return the summary of a meeting; nothing is processed.

        Raises:
            MeetingNotFoundError: the owner has no meeting of that id.
            SpeechError: the store cannot be used.
        """
        with self._outward(meeting_id):
            return self._summary(await self.meetings.summary(self.stored_id(meeting_id)))

    async def audio(self, meeting_id: str) -> StoredAudio:
        """Return the audio of a meeting.

        Raises:
            MeetingNotFoundError: the owner has no meeting of that id, or its audio is not kept.
            SpeechError: the store cannot be used.
        """
        with self._outward(meeting_id):
            return await self.meetings.audio(self.stored_id(meeting_id))

    async def take_over_session(self, request: MeetingRequest, position: int) -> Session:
        """Continue a meeting whose process died; see ``MeetingService.take_over_session``.

        Args:
            request: what the client asks for, with the client's id.
            position: the length of the audio that is continued, in ticks.

        Raises:
            MeetingNotFoundError: there is nothing to continue.
            MeetingBusyError: the meeting is being recorded.
            SpeechError: it cannot be stored, or the backend cannot be used.
        """
        with self._outward(request.meeting_id):
            stored = self._stored(request)
            await self._log_gaps(stored)
            return await self.meetings.take_over_session(stored, position)

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting.

        Errors of the session itself are those of the backend: send only what
        :func:`~speech_compat.gateway.outward.outward` returns of them.

        Args:
            request: what the client asks for, with the client's id.

        Raises:
            MeetingBusyError: the meeting is being recorded already.
            SpeechError: it cannot be stored, or the backend cannot be used.
        """
        with self._outward(request.meeting_id):
            stored = self._stored(request)
            await self._log_gaps(stored)
            return await self.meetings.open_session(stored)

    async def replace_attendees(self, request: MeetingRequest) -> None:
        """Replace the attendees of a stored meeting that is being recorded.

        Args:
            request: the request of the session, with the present attendees.

        Raises:
            SpeechError: the store or the backend cannot be used.
        """
        with self._outward(request.meeting_id):
            await self.meetings.replace_attendees(self._stored(request))

    async def _log_gaps(self, request: MeetingRequest) -> None:
        """Log what the backend does not do of a request, once for each kind."""
        backend, gaps = await self.meetings.choose(request)
        log_gaps(backend.name, gaps)

    def _summary(self, summary: MeetingSummary) -> MeetingSummary:
        return attrs.evolve(summary, meeting_id=self.client_id(summary.meeting_id))

    def _stored(self, request: MeetingRequest) -> MeetingRequest:
        return attrs.evolve(request, meeting_id=self.stored_id(request.meeting_id))

    def _shown(self, status: MeetingStatus) -> MeetingStatus:
        """Return a status with the client's id, and with texts that may be sent to a client."""
        meeting_id = self.client_id(status.meeting_id)
        reason, step = (
            outward_text(text, status.meeting_id, meeting_id)
            for text in (status.reason, status.step)
        )
        return attrs.evolve(status, meeting_id=meeting_id, reason=reason, step=step)

    @contextmanager
    def _outward(self, meeting_id: str) -> Iterator[None]:
        """Replace errors by those that a client may receive."""
        try:
            yield
        except SpeechError as error:
            raise outward(error, self.stored_id(meeting_id)) from None
