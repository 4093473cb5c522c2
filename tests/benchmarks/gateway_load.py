"""Clients of a gateway that speak clock audio in real time, many in one process.

Each is a client of the legacy websocket, with the messages of the Speech SDK
(docs/protocol/speech-websocket.md, 2.2) and nothing else, so that hundreds fit beside the
gateway on one machine.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import suppress
from typing import Final
from urllib.parse import quote

import attrs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from double.raw_client import audio_message, text_message, wav_header
from speech_adapters.transcript import TICKS_PER_SECOND
from speech_compat.testing.loopback import clock_audio

__all__ = ["Heard", "Plan", "talk"]

_RATE: Final = 16_000
_TENTH: Final = 0.1
_TENTH_TICKS: Final = TICKS_PER_SECOND // 10
_PATH: Final = "/speech/recognition/multiaudio"
_PAUSE_SECONDS: Final = 0.3
_LONGEST_SILENCE: Final = 60.0


@attrs.frozen
class Plan:
    """One client.

    Attributes:
        urls: the gateways, tried in turn after a cut: ``ws://HOST:PORT``.
        key: the access key.
        meeting_id: the meeting's id.
        tenths: length of the audio in tenths of a second.
        mode: the value of ``transcriptionMode``; empty for live.
        reconnects: whether to continue after a cut.
    """

    urls: tuple[str, ...]
    key: str
    meeting_id: str
    tenths: int
    mode: str = ""
    reconnects: bool = False


@attrs.define
class Heard:
    """What a client received.

    Attributes:
        phrases: texts of the final results, in order.
        latencies: seconds from the end of sending a phrase's last audio to the phrase.
        ended: whether ``turn.end`` came.
        connections: handshakes that succeeded.
        reached: end of the last phrase or acknowledgement, in ticks.
        token: the continuation token of the last message that had one.
        error: why it ended early.
    """

    phrases: list[str] = attrs.field(factory=list)
    latencies: list[float] = attrs.field(factory=list)
    ended: bool = False
    connections: int = 0
    reached: int = 0
    token: str = ""
    error: str = ""


async def talk(plan: Plan, patience: float = _LONGEST_SILENCE) -> Heard:
    """Hold one meeting and return what was received."""
    heard, connection_id = Heard(), uuid.uuid4().hex
    sent: dict[int, float] = {}  # when each tenth was sent
    start = time.monotonic()
    deadline = start + plan.tenths * _TENTH + patience
    attempt = 0
    while not heard.ended and time.monotonic() < deadline:
        url = plan.urls[attempt % len(plan.urls)]
        attempt += 1
        query = f"language=en-US&transcriptionMode={quote(plan.mode)}" if plan.mode else ""
        headers = {"Ocp-Apim-Subscription-Key": plan.key, "X-ConnectionId": connection_id}
        try:
            async with connect(
                f"{url}{_PATH}?{query}",
                additional_headers=headers,
                compression=None,
                ping_interval=None,
                max_queue=None,
            ) as connection:
                heard.connections += 1
                await _turn(connection, plan, heard, sent, start, deadline)
        except (ConnectionClosed, OSError, InvalidStatus, TimeoutError) as error:
            heard.error = f"{type(error).__name__}: {error}"
        if not heard.ended and not plan.reconnects:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    return heard


async def _turn(
    connection: ClientConnection,
    plan: Plan,
    heard: Heard,
    sent: dict[int, float],
    start: float,
    deadline: float,
) -> None:
    request_id, base = uuid.uuid4().hex, heard.reached
    context: dict[str, object] = {"audio": {"streams": {"1": None}}}
    if base:
        context["continuation"] = {
            "token": heard.token,
            "audio": {"streams": {"1": {"offset": str(base)}}},
        }
    meeting = {"id": plan.meeting_id, "attendees": [], "DifferentiateGuestSpeakers": "true"}
    event: dict[str, object] = {"id": "meeting", "name": "start", "meeting": meeting}
    await connection.send(text_message("speech.context", request_id, context))
    await connection.send(text_message("speech.event", request_id, event))
    reading = asyncio.create_task(_read(connection, heard, sent, base))
    try:
        await connection.send(audio_message(request_id, wav_header()))
        for tenth in range(base // _TENTH_TICKS, plan.tenths):
            # What was sent before a cut is sent again at once, as the SDK does.
            await asyncio.sleep(max(start + (tenth + 1) * _TENTH - time.monotonic(), 0))
            await connection.send(audio_message(request_id, clock_audio(tenth, 1, _RATE)))
            sent[tenth] = time.monotonic()
            if reading.done():
                break
        if not reading.done():
            await connection.send(audio_message(request_id, b""))
        async with asyncio.timeout(max(deadline - time.monotonic(), 1.0)):
            await reading
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reading


async def _read(
    connection: ClientConnection, heard: Heard, sent: dict[int, float], base: int
) -> None:
    async for data in connection:
        now = time.monotonic()
        head, _, body = str(data).partition("\r\n\r\n")
        headers = dict(line.split(":", 1) for line in head.split("\r\n"))
        heard.token = headers.get("X-Continuation-Token", heard.token)
        offset = headers.get("X-Continuation-Audio-Streams-1-Offset")
        if offset is not None:
            heard.reached = max(heard.reached, base + int(offset))
        if headers["Path"] == "turn.end":
            heard.ended = True
            return
        if headers["Path"] == "speech.phrase":
            _phrase(json.loads(body), heard, sent, base, now)


def _phrase(
    body: dict[str, object], heard: Heard, sent: dict[int, float], base: int, now: float
) -> None:
    if body["RecognitionStatus"] == "EndOfDictation":
        return
    if body["RecognitionStatus"] != "Success":
        heard.error = str(body["RecognitionStatus"])
        return
    end = base + int(str(body["Offset"])) + int(str(body["Duration"]))
    heard.reached = max(heard.reached, end)
    heard.phrases.append(str(body["DisplayText"]))
    last = sent.get(end // _TENTH_TICKS - 1)
    if last is not None:
        heard.latencies.append(now - last)
