"""The websocket of the legacy interface: one connection of a client.

The era comes from the messages, not from the path, since clients with a custom endpoint use any
path (docs/protocol/speech-websocket.md, 1).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from speech_adapters.errors import SpeechError
from speech_compat.gateway.access import Caller
from speech_compat.gateway.delivery import ClientGoneError
from speech_compat.gateway.dialogue import (
    AudioReceived,
    Dialogue,
    Event,
    MeetingEvent,
    Turn,
    TurnEnded,
    TurnStarted,
)
from speech_compat.gateway.framing import FramingError
from speech_compat.gateway.outward import outward
from speech_compat.gateway.registry import RunningMeetings
from speech_compat.gateway.replies import end_reply, error_message
from speech_compat.gateway.requests import Announcement
from speech_compat.gateway.running import RunningMeeting

if TYPE_CHECKING:
    from speech_compat.gateway.service import Gateway

__all__ = ["routes"]

# The paths of all versions of the SDKs (docs/protocol/speech-websocket.md, 1).
_PATHS: Final = (
    "/speech/recognition/multiaudio",
    "/speech/recognition/dynamicaudio",
    "/speech/recognition/conversation/cognitiveservices/v1",
    "/speech/universal/v2",
    "/stt/speech/universal/v2",
    "/",
)
_SUBPROTOCOL: Final = "USP"
# Which code makes which error of the SDK: docs/protocol/speech-websocket.md, 4.2.
_BAD_REQUEST: Final = 1007
_GOING_AWAY: Final = 1001
_LONGEST_REASON: Final = 120
_LONGEST_ID: Final = 64
# A client that does not read for so long is gone.
_SEND_SECONDS: Final = 20.0


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Return the routes of the websocket; closing the gateway ends its meetings."""
    meetings = RunningMeetings(gateway)
    gateway.close_first(meetings.aclose)

    async def serve(websocket: WebSocket) -> None:
        # Raises before the websocket is accepted, so the client receives an HTTP status.
        caller = await gateway.access.authenticate(websocket.headers, websocket.query_params)
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(_SUBPROTOCOL if _SUBPROTOCOL in offered else None)
        await _Connection(gateway, meetings, websocket, caller).serve()

    return [WebSocketRoute(path, serve) for path in _PATHS]


class _Connection:
    """One connection; see :class:`~speech_compat.gateway.delivery.Client`."""

    def __init__(
        self,
        gateway: Gateway,
        meetings: RunningMeetings,
        websocket: WebSocket,
        caller: Caller,
    ) -> None:
        # The longest time without a message.
        self._idle_seconds = gateway.options.idle_seconds
        self._meetings = meetings
        self._websocket = websocket
        self._caller = caller
        # By which a client that reconnects finds its meeting.
        self._id = _connection_id(websocket)
        self._dialogue = Dialogue()
        # What the client announced in the present turn.
        self._announcement = Announcement({}, {})
        # The meeting of the present turn, from its first audio on.
        self._meeting: RunningMeeting | None = None
        # Whether the present turn was answered with an error.
        self._refused = False
        # Closes the connection from outside.
        self._dropping: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Answer the messages of the client until the connection ends."""
        try:
            async for data in self._messages():
                await self._handle(self._dialogue.receive(data))
        except FramingError as error:
            await self._close(_BAD_REQUEST, str(error)[:_LONGEST_REASON])
        except (ClientGoneError, WebSocketDisconnect):
            pass
        finally:
            self._leave()

    async def send(self, message: str) -> None:
        """Send a text message."""
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._websocket.send_text(message)
        except TimeoutError:
            self.drop()
            raise ClientGoneError from None
        # A RuntimeError is raised if this side has closed the websocket.
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise ClientGoneError from None

    def drop(self) -> None:
        """Close the connection soon."""
        if self._dropping is None:
            self._dropping = asyncio.create_task(self._close(_GOING_AWAY, ""))

    async def _messages(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await self._websocket.receive()
            except TimeoutError:
                await self._close(_GOING_AWAY, "The connection was idle for too long.")
                return
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            yield message["text"] if data is None else data

    async def _handle(self, event: Event) -> None:
        match event:
            case AudioReceived(turn, audio):
                meeting = self._meeting or await self._enter(turn)
                if meeting is not None and audio:
                    await meeting.push(audio)
            case TurnStarted(turn):
                self._leave()
                self._refused = False
                self._announcement = Announcement(self._websocket.query_params, turn.context)
                await self.send(turn.start(uuid.uuid4().hex))
            case MeetingEvent():
                self._announcement.note(event)
                if self._meeting is not None:
                    await self._meeting.replace_attendees(self._announcement.attendees)
            case TurnEnded(turn):
                await self._end(turn)
            case _:
                pass

    async def _enter(self, turn: Turn) -> RunningMeeting | None:
        """Enter the meeting of a turn; ``None`` after an error, which is sent to the client."""
        if self._refused:
            return None
        if not turn.has_header:
            raise FramingError("The audio does not begin with a WAV header: send PCM audio.")
        try:
            self._meeting = await self._meetings.enter(
                self, turn, self._announcement, self._caller, self._id
            )
        except SpeechError as error:
            self._refused = True
            await self.send(error_message(turn, outward(error)))
            await self.send(turn.end())
        return self._meeting

    async def _end(self, turn: Turn) -> None:
        if self._meeting is not None:
            await self._meeting.finish_turn()
        elif not self._refused:
            # A client that stops before it has sent audio waits for the end too.
            await self.send(end_reply(0).message(turn, 0))
            await self.send(turn.end())

    def _leave(self) -> None:
        if self._meeting is not None:
            self._meeting.detach(self)
            self._meeting = None

    async def _close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError, OSError):  # it is closed already
            await self._websocket.close(code, reason)


def _connection_id(websocket: WebSocket) -> str:
    """Return the id of a connection, which the JavaScript SDK spells in upper case."""
    query = {name.lower(): value for name, value in websocket.query_params.items()}
    found = websocket.headers.get("x-connectionid") or query.get("x-connectionid", "")
    # Without an id there is no reconnect.
    return found.lower() if 0 < len(found) <= _LONGEST_ID else uuid.uuid4().hex
