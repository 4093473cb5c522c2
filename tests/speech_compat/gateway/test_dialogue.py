from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from speech_adapters.audio.pcm import PcmFormat
from speech_compat.gateway.dialogue import (
    AudioReceived,
    Dialogue,
    MeetingEvent,
    OtherMessage,
    Turn,
    TurnEnded,
    TurnStarted,
)
from speech_compat.gateway.framing import FramingError, parse


def context(body: dict[str, Any]) -> str:
    return f"X-RequestId:Id\r\nPath:speech.context\r\n\r\n{json.dumps(body)}"


def audio(body: bytes) -> bytes:
    head = b"Path:audio\r\nX-RequestId:Id\r\n"
    return len(head).to_bytes(2, "big") + head + body


def header(channels: int = 1, rate: int = 16_000) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return b"RIFF\0\0\0\0WAVEfmt " + form + b"data\0\0\0\0"


def test_a_turn_from_its_context_to_its_end() -> None:
    dialogue = Dialogue()
    assert isinstance(dialogue.receive("Path:speech.config\r\n\r\n{}"), OtherMessage)
    began = dialogue.receive(context({}))
    assert isinstance(began, TurnStarted)
    turn = began.turn
    assert dialogue.receive(audio(header(8) + b"\1\0" * 8)) == AudioReceived(turn, b"\1\0" * 8)
    assert turn.pcm == PcmFormat(16_000, 8)
    dialogue.receive(audio(bytes(256_000 - 16)))
    assert turn.received == 10_000_000
    assert dialogue.receive(audio(b"")) == TurnEnded(turn)


def test_audio_that_resembles_a_header_is_audio_later() -> None:
    dialogue = Dialogue()
    dialogue.receive(context({}))
    dialogue.receive(audio(header()))
    dialogue.receive(audio(b"\0\0"))
    received = dialogue.receive(audio(b"RIFF"))
    assert isinstance(received, AudioReceived)
    assert received.audio == b"RIFF"


@pytest.mark.parametrize(
    ("body", "base"),
    [
        ({}, 0),
        ({"phraseDetection": {"speakerDiarization": {"audioOffsetMS": 1500}}}, 15_000_000),
        ({"phraseDetection": {"speakerDiarization": {"audioOffsetMs": 1500}}}, None),
        (
            {
                "phraseDetection": {"speakerDiarization": {"audioOffsetMS": 1}},
                "continuation": {"audio": {"streams": {"1": {"offset": "20000001"}}}},
            },
            20_000_001,
        ),
    ],
)
def test_where_a_turn_begins(body: dict[str, Any], base: int | None) -> None:
    began = Dialogue().receive(context(body))
    assert isinstance(began, TurnStarted)
    assert began.turn.base == base


@pytest.mark.parametrize("data", [audio(b"\0\0"), context({})[:-1] + "["])
def test_what_belongs_to_no_turn_is_an_error(data: Any) -> None:
    with pytest.raises(FramingError):
        Dialogue().receive(data)


def test_a_header_without_channels_is_an_error() -> None:
    dialogue = Dialogue()
    dialogue.receive(context({}))
    with pytest.raises(FramingError, match="no channels"):
        dialogue.receive(audio(header(channels=0)))


def test_the_end_is_rounded_up_to_a_millisecond() -> None:
    turn = Turn("Id", {}, 0)
    assert parse(turn.end_of_dictation(10_001)).document()["Offset"] == 20_000
    assert parse(turn.end_of_dictation(20_000)).document()["Offset"] == 20_000


def test_an_acknowledgement_is_in_the_headers() -> None:
    message = parse(Turn("Id", {}, 0).acknowledge("t", 7))
    assert message.headers["x-continuation-audio-streams-1-offset"] == "7"
    assert message.request_id == "Id"


def test_a_long_id_of_a_request_is_refused() -> None:
    """Every answer repeats it, so small audio would cause large answers."""
    for size in (128, 129):
        text = f"Path:speech.context\r\nX-RequestId:{'x' * size}\r\n\r\n{{}}"
        if size == 128:
            assert isinstance(Dialogue().receive(text), TurnStarted)
        else:
            with pytest.raises(FramingError):
                Dialogue().receive(text)


def stream(offset: object) -> dict[str, Any]:
    return {"continuation": {"token": "t", "audio": {"streams": {"1": {"offset": offset}}}}}


@pytest.mark.parametrize(
    ("body", "position", "token"),
    [
        # Native clients: a first turn, one that continues, and one after nothing was received.
        ({"audio": {"streams": {"1": None}}}, 0, ""),
        (stream("7"), 7, "t"),
        ({"continuation": {"previousServiceTag": "x"}}, 0, ""),
        # The JavaScript SDK, in both eras.
        ({"phraseDetection": {"speakerDiarization": {"audioOffsetMs": 1500}}}, None, ""),
        ({}, None, ""),
        ({"continuation": {"token": 7}}, 0, ""),
    ],
)
def test_which_position_a_client_declares(
    body: dict[str, Any], position: int | None, token: str
) -> None:
    began = Dialogue().receive(context(body))
    assert isinstance(began, TurnStarted)
    assert (began.turn.position, began.turn.token) == (position, token)


@pytest.mark.parametrize("offset", [-1, "-1", 2**63, "x", [1]])
def test_an_offset_that_is_no_position_is_an_error(offset: object) -> None:
    with pytest.raises(FramingError, match="offset"):
        Dialogue().receive(context(stream(offset)))


def test_the_events_of_a_meeting() -> None:
    dialogue = Dialogue()
    text = 'X-RequestId:Id\r\nPath:speech.event\r\n\r\n{"name": "join", "meeting": {"id": "m"}}'
    assert isinstance(dialogue.receive(text), OtherMessage), "it belongs to no turn"
    began = dialogue.receive(context({}))
    assert isinstance(began, TurnStarted)
    assert dialogue.receive(text) == MeetingEvent(began.turn, "join", {"id": "m"})
    odd = dialogue.receive(text.replace('"join"', "7").replace('{"id": "m"}', "null"))
    assert odd == MeetingEvent(began.turn, "", {})
    with pytest.raises(FramingError, match="meeting"):
        dialogue.receive(text.replace('{"id": "m"}', "[1]"))
