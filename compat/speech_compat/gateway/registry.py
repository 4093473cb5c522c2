"""The running meetings of a gateway, by which a client that reconnects finds its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio
import attrs

from speech_adapters.contract import MeetingRequest, Session
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingNotFoundError,
    ThrottledError,
    UnavailableError,
)
from speech_adapters.transcript import seconds
from speech_compat.gateway.access import Caller
from speech_compat.gateway.delivery import Client
from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.owned import OwnedMeetings
from speech_compat.gateway.replies import ReplyBuilder
from speech_compat.gateway.requests import Announcement
from speech_compat.gateway.running import RunningMeeting

if TYPE_CHECKING:
    from speech_compat.gateway.service import Gateway

__all__ = ["RunningMeetings"]

# A meeting that is still being closed, here or in another process, is waited for.
_BUSY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.25
# Closing a session may include an upload, which another process continues.
_CLOSE_SECONDS: Final = 10.0

_Key = tuple[str, str]


class RunningMeetings:
    """The running meetings of a gateway.

    A client finds its meeting by the id of its connection, which a reconnect repeats.  The key
    contains the owner, so an id leads to no meeting of another one.

    Args:
        gateway: what all requests share.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # The meetings that clients may return to.
        self._meetings: dict[_Key, RunningMeeting] = {}
        # Those whose sessions are open, with their owners.
        self._open: dict[RunningMeeting, str] = {}
        # Held to enter a meeting: two connections with one id must not start two.
        self._entering: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()

    async def enter(
        self,
        client: Client,
        turn: Turn,
        announcement: Announcement,
        caller: Caller,
        connection_id: str,
    ) -> RunningMeeting:
        """Return the meeting of a turn, attached to its connection.

        Args:
            client: the connection.
            turn: the turn; the format of its audio is known.
            announcement: what the client announced before its audio.
            caller: the owner.
            connection_id: the id of the connection.

        Raises:
            FramingError: the turn contradicts itself, or the meeting that it continues.
            SpeechError: no meeting can be started; the text may be sent to the client.
        """
        key = (caller.owner, connection_id)
        request = announcement.request(turn.pcm)
        async with self._entering.setdefault(key, asyncio.Lock()):
            meeting = self._meetings.get(key)
            if meeting is None or not meeting.continues(turn, request):
                # One that was cut off elsewhere; another start in the same session is not.
                cut_off = meeting is None and bool(turn.position)
                meeting = await self._start(turn, announcement, request, caller, cut_off=cut_off)
                self._keep(key, meeting)
            await meeting.attach(client, turn)
        await meeting.replace_attendees(announcement.attendees)
        return meeting

    async def aclose(self) -> None:
        """End all meetings, in bounded time.  Idempotent."""
        self._meetings.clear()
        with anyio.move_on_after(_CLOSE_SECONDS):
            async with anyio.create_task_group() as group:
                for meeting in list(self._open):
                    group.start_soon(meeting.aclose)

    def _keep(self, key: _Key, meeting: RunningMeeting) -> None:
        def forget() -> None:
            if self._meetings.get(key) is meeting:
                del self._meetings[key]

        previous = self._meetings.get(key)
        if previous is not None:
            previous.abandon()
        self._meetings[key] = meeting
        meeting.on_expired = forget

    async def _start(
        self,
        turn: Turn,
        announcement: Announcement,
        request: MeetingRequest,
        caller: Caller,
        *,
        cut_off: bool,
    ) -> RunningMeeting:
        if self._gateway.draining:
            raise UnavailableError("This gateway is about to stop. Try again later.")
        owned = self._gateway.owned_by(caller)
        await self._end_abandoned(caller, request)
        # Not only the connections are limited: a meeting outlives its own.
        running = sum(owner == caller.owner for owner in self._open.values())
        if running >= self._gateway.options.connections_per_owner:
            raise ThrottledError("Too many meetings at a time. Try again later.")
        # Clients count on when they start again in the same session.
        held = turn.position or 0
        session, start = await self._open_session(owned, request, held, cut_off=cut_off)
        builder = ReplyBuilder(
            announcement.rules,
            start,
            detailed=announcement.detailed,
            words=announcement.words,
            languages=bool(request.languages),
            corrections=self._gateway.meetings.settings.corrections,
        )
        meeting = RunningMeeting(
            self._gateway, owned, request, session, builder, start=start, held=held
        )
        self._open[meeting] = caller.owner
        meeting.on_closed = lambda: self._open.pop(meeting, None)
        return meeting

    async def _end_abandoned(self, caller: Caller, request: MeetingRequest) -> None:
        """End a recording of the same meeting whose client is gone.

        A client that was started again has a new connection id.
        """
        for meeting, owner in list(self._open.items()):
            same = (owner, meeting.request.meeting_id) == (caller.owner, request.meeting_id)
            if same and not meeting.attached:
                with anyio.move_on_after(_BUSY_SECONDS):
                    await meeting.aclose()

    async def _open_session(
        self, owned: OwnedMeetings, request: MeetingRequest, position: int, *, cut_off: bool
    ) -> tuple[Session, int]:
        """Open a session; return it and where its recording starts in the client's session."""
        if cut_off:
            if request.mode.stored:
                try:
                    return await _patiently(lambda: owned.take_over_session(request, position)), 0
                except MeetingNotFoundError:
                    pass
            note = (
                f"The recording begins {seconds(position):.1f} s after the start of the meeting:"
                " the part before is in another recording, or was only live."
            )
            request = attrs.evolve(request, notes=(note,))
        return await _patiently(lambda: owned.open_session(request)), position


async def _patiently(open_session: Callable[[], Awaitable[Session]]) -> Session:
    """Open a session; wait for one of the same meeting that is being closed."""
    with anyio.move_on_after(_BUSY_SECONDS):
        while True:
            try:
                return await open_session()
            except MeetingBusyError:
                await anyio.sleep(_RETRY_SECONDS)
    return await open_session()
