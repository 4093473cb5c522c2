"""A running meeting with a scripted session; its client keeps what it receives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import attrs

from double.gateway import settings_of
from double.scripted_backend import SECOND, Script, ScriptedSession, said
from speech_adapters.contract import Hypothesis, MeetingRequest, Mode, Recognized
from speech_compat._session.mapping.results import MEETING
from speech_compat.gateway.access import Caller
from speech_compat.gateway.delivery import ClientGoneError
from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.framing import Message, parse
from speech_compat.gateway.replies import ReplyBuilder
from speech_compat.gateway.running import RunningMeeting
from speech_compat.gateway.service import Gateway

__all__ = ["AUDIO", "SECOND", "TALK", "FakeClient", "Running", "javascript", "run", "turn"]

# One second.
AUDIO = bytes(32_000)

# Three utterances and a second of silence.
TALK = Script(
    [
        (1, Hypothesis(said("one", 0, 0.5))),
        (1, Recognized(said("one", 0, 1))),
        (2, Recognized(said("two", 1, 2))),
        (4, Recognized(said("three", 3, 4))),
    ]
)


class FakeClient:
    """One connection of a client.

    Attributes:
        messages: what it has received.
        gone: whether it fails from now on.
        dropped: whether the meeting has closed it.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.gone = self.dropped = False

    async def send(self, message: str) -> None:
        if self.gone:
            raise ClientGoneError
        self.messages.append(parse(message))

    def drop(self) -> None:
        self.dropped = self.gone = True

    @property
    def paths(self) -> list[str]:
        return [message.path for message in self.messages]

    @property
    def texts(self) -> list[str]:
        phrases = (m.document() for m in self.messages if m.path == "speech.phrase")
        return [phrase.get("DisplayText") or phrase["RecognitionStatus"] for phrase in phrases]

    @property
    def token(self) -> str:
        tokens = (message.headers.get("x-continuation-token") for message in self.messages)
        return [token for token in tokens if token][-1]

    def offset(self, text: str) -> int:
        documents = (m.document() for m in self.messages if m.path == "speech.phrase")
        return next(int(d["Offset"]) for d in documents if d.get("DisplayText") == text)


def turn(position: int = 0, token: str = "", request_id: str = "Id") -> Turn:
    """Return a turn of a native client."""
    streams = {"1": {"offset": str(position)}}
    context: dict[str, Any] = {"audio": {"streams": {"1": None}}}
    if position or token:
        context["continuation"] = {"token": token, "audio": {"streams": streams}}
    return Turn(request_id, context, position)


def javascript() -> Turn:
    """Return a turn of the JavaScript SDK, which declares no position."""
    return Turn("Id", {}, None)


@attrs.define
class Running:
    """A meeting, its session and its first client, attached with a first turn."""

    gateway: Gateway
    meeting: RunningMeeting
    session: ScriptedSession
    client: FakeClient
    request: MeetingRequest

    async def push(self, seconds: int) -> None:
        """Send audio of the present turn."""
        for _ in range(seconds):
            await self.meeting.push(AUDIO)

    async def settle(self) -> None:
        """Let the meeting send what its session has."""
        for _ in range(20):
            await anyio.sleep(0)


def run(
    state: Path,
    script: Script,
    work: Callable[[Running], Awaitable[None]],
    mode: Mode = Mode.LIVE,
    first: Turn | None = None,
    start: int = 0,
    held: int = 0,
    **options: str,
) -> None:
    """Run ``work`` with a meeting, which is closed after it.

    Args:
        state: the folder of the store.
        script: what the session does.
        work: the test.
        mode: the mode of the meeting.
        first: the first turn; by default one of a native client at ``held``.
        start: where the recording starts.
        held: up to where the session has audio.
        options: options of the gateway.
    """

    async def main() -> None:
        settings = settings_of(state, **{f"gateway.{k}": v for k, v in options.items()})
        async with Gateway(settings) as gateway:
            request = MeetingRequest("m", mode=mode)
            session = script.session(request)
            meeting = RunningMeeting(
                gateway,
                gateway.owned_by(Caller("alice")),
                request,
                session,
                ReplyBuilder(MEETING, start),
                start=start,
                held=held,
            )
            running = Running(gateway, meeting, session, FakeClient(), request)
            await meeting.attach(running.client, first or turn(held))
            try:
                with anyio.fail_after(20):
                    await work(running)
            finally:
                await meeting.aclose()
            assert session.closed
            assert gateway.running == 0

    anyio.run(main)
