"""The websocket with clients that send what a test orders.

Microsoft's own clients are those of tests/test_gateway_clients.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus

from double.gateway import KEYS, serving, settings_of
from double.raw_client import RawClient, connected, wav_header
from double.scripted_backend import Script, said
from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.contract import Attendee, Mode, Recognized
from speech_adapters.errors import BackendError, MeetingBusyError, UnreachableError
from speech_compat.gateway.framing import Message

SECOND = 10_000_000
AUDIO = bytes(32_000)
ALICE, BOB = KEYS["alice"], KEYS["bob"]
DIARIZATION = {"phraseDetection": {"speakerDiarization": {"audioOffsetMS": 0}}}


@pytest.fixture
def gateway(tmp_path: Path, script: Script) -> Iterator[str]:
    properties = {"backend": "scripted", "gateway.reconnect_seconds": "20"}
    with serving(settings_of(tmp_path, **properties)) as address:
        yield address


def texts(messages: list[Message]) -> list[str]:
    phrases = [m.document() for m in messages if m.path == "speech.phrase"]
    return [phrase.get("DisplayText") or phrase["RecognitionStatus"] for phrase in phrases]


def finish(client: RawClient) -> list[Message]:
    client.audio(b"")
    return client.until("turn.end")


def continuation(position: int, token: str = "") -> dict[str, Any]:
    streams = {"1": {"offset": str(position)}}
    return {"continuation": {"token": token, "audio": {"streams": streams}}}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/speech/recognition/multiaudio",
        "/speech/recognition/dynamicaudio",
        "/speech/recognition/conversation/cognitiveservices/v1",
        "/speech/universal/v2",
        "/stt/speech/universal/v2",
    ],
)
def test_the_messages_name_the_era_on_every_path(gateway: str, script: Script, path: str) -> None:
    script.events = [(1, Recognized(said("one", 0, 1)))]
    with connected(gateway, ALICE, path=path) as client:
        client.start(DIARIZATION)
        client.audio(AUDIO)
        found = finish(client)
        assert texts(found) == ["one", "EndOfDictation"]
        assert found[0].path == "turn.start"
        assert all(message.request_id == client.request_id for message in found)
        assert found[1].document()["SpeakerId"] == "Guest-1"
        client.start(id="m", DifferentiateGuestSpeakers="true")
        client.audio(AUDIO)
        assert finish(client)[1].document()["SpeakerId"] == "Guest_0"
    first, second = script.requests
    assert (first.mode, first.differentiate_speakers) == (Mode.LIVE, True)
    assert second.meeting_id == "alice/m"


def test_the_request_has_what_the_client_announced(gateway: str, script: Script) -> None:
    kim = {"id": "kim", "preferredLanguage": "en-US", "voice": '{"a": 1}', "details": ""}
    path = "/?transcriptionMode=RealTimeAndAsync&language=de-DE&Ocp-Apim-Subscription-Key="
    with connected(gateway, path=path + quote(ALICE)) as client:
        client.text("speech.config", {"context": {}})
        client.start(id="m", attendees=[kim])
        client.text("telemetry", {"Metrics": []})
        client.audio(AUDIO)
        finish(client)
    (request,) = script.requests
    assert (request.mode, request.language) == (Mode.BOTH, "de-DE")
    assert request.attendees == (Attendee("kim", "en-US", '{"a": 1}'),)


@pytest.mark.parametrize(
    ("header", "sent", "pcm", "size"),
    [
        (wav_header(8), bytes(1_600), PcmFormat(16_000, 8), 1_600),
        (wav_header(2, 8_000), bytes(801), PcmFormat(8_000, 2), 800),
        (wav_header(bits=8), bytes(100), PcmFormat(), 200),
        (wav_header(bits=8, tag=7), bytes(100), PcmFormat(), 200),
        (wav_header(tag=0xFFFE, size=68), bytes(100), PcmFormat(), 100),
    ],
)
def test_the_header_names_the_format(
    gateway: str, script: Script, header: bytes, sent: bytes, pcm: PcmFormat, size: int
) -> None:
    with connected(gateway, ALICE) as client:
        client.request_id = "Id"
        client.text("speech.context", DIARIZATION)
        client.audio(header)
        client.audio(sent)
        finish(client)
    assert script.requests[0].audio == pcm
    assert len(script.sessions[0].audio) == size


def test_wrong_credentials_are_refused_before_the_websocket_opens(gateway: str) -> None:
    for key in ("", "wrong"):
        with pytest.raises(InvalidStatus) as caught, connected(gateway, key):
            pass
        assert caught.value.response.status_code in (401, 403)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xffsecret",
        b"\x00\x02\xff\xff",
        "X-RequestId:1\r\nPath:speech.context\r\n\r\n{secret",
        "X-RequestId:1\r\nPath:speech.context\r\n\r\n[]",
        b"\x00\x0aPath:audiosecret",
    ],
)
def test_what_is_no_message_closes_the_connection(gateway: str, data: str | bytes) -> None:
    with connected(gateway, ALICE) as client:
        client.raw(data)
        code, reason = client.closed()
    assert code == 1007
    assert reason
    assert "secret" not in reason


@pytest.mark.parametrize(
    ("fields", "audio"),
    [
        ({"id": "secret" * 100}, b""),
        ({"id": "m", "attendees": "secret"}, b""),
        ({"id": "m"}, wav_header(bits=13)),
    ],
)
def test_wrong_contents_close_the_connection(
    gateway: str, fields: dict[str, Any], audio: bytes
) -> None:
    with connected(gateway, ALICE) as client:
        client.text("speech.context", {})
        client.event("start", **fields)
        client.audio(audio or wav_header())
        code, reason = client.closed()
    assert code == 1007
    assert "secret" not in reason


def test_audio_without_a_header_closes_the_connection(gateway: str) -> None:
    with connected(gateway, ALICE) as client:
        client.text("speech.context", {})
        client.audio(AUDIO)
        assert client.closed() == (
            1007,
            "The audio does not begin with a WAV header: send PCM audio.",
        )


def test_a_client_without_audio_gets_its_end(gateway: str, script: Script) -> None:
    with connected(gateway, ALICE) as client:
        client.text("speech.context", {})
        client.audio(b"")
        assert texts(client.until("turn.end")) == ["EndOfDictation"]
    assert script.requests == []


def test_a_meeting_that_cannot_start_is_an_error_of_the_turn(gateway: str, script: Script) -> None:
    script.open_errors = [UnreachableError("secret address")]
    with connected(gateway, ALICE) as client:
        client.start(id="m")
        client.audio(AUDIO)
        client.audio(b"")
        found = client.until("turn.end")
        assert texts(found) == ["ServiceUnavailable"]
        assert "secret" not in found[-2].document()["ErrorDetails"]
        # The next turn tries again.
        client.start(id="m")
        client.audio(AUDIO)
        assert texts(finish(client)) == ["EndOfDictation"]


def test_a_meeting_that_is_being_closed_is_waited_for(gateway: str, script: Script) -> None:
    script.open_errors = [MeetingBusyError("m"), MeetingBusyError("m")]
    with connected(gateway, ALICE) as client:
        client.start(id="m")
        assert texts(finish(client)) == ["EndOfDictation"]


def test_a_client_that_comes_again_continues_its_meeting(gateway: str, script: Script) -> None:
    script.events = [(1, Recognized(said("one", 0, 1))), (3, Recognized(said("two", 1, 3)))]
    with connected(gateway, ALICE, "CAFE") as client:
        client.start(id="m")
        client.audio(AUDIO)
        (*_, phrase) = client.until("speech.phrase")
    token = phrase.headers["x-continuation-token"]
    with connected(gateway, ALICE, path="/?X-ConnectionId=cafe") as client:
        client.start(continuation(SECOND, token), id="m")
        client.audio(AUDIO)
        client.audio(AUDIO)
        found = finish(client)
        assert texts(found) == ["two", "EndOfDictation"]
        assert found[1].document()["Offset"] == 0
    (session,) = script.sessions
    assert len(session.audio) == 3 * len(AUDIO)


def test_a_connection_id_leads_to_no_meeting_of_another_owner(gateway: str, script: Script) -> None:
    script.events = [(2, Recognized(said("secret", 0, 2)))]
    with connected(gateway, ALICE, "cafe") as client:
        client.start(id="m")
        client.audio(AUDIO)
        while not (script.sessions and script.sessions[0].audio):
            time.sleep(0.01)  # the answer to the start does not mean that the audio has arrived
        with connected(gateway, BOB, "cafe") as other:
            other.start({"continuation": {}}, id="m")
            other.audio(AUDIO)
            client.audio(AUDIO)
            assert texts(client.until("speech.phrase")) == ["secret"]
            other.close()
        finish(client)
    assert [request.meeting_id for request in script.requests] == ["alice/m", "bob/m"]
    assert [len(session.audio) for session in script.sessions] == [2 * len(AUDIO), len(AUDIO)]


def test_another_start_in_the_same_session_is_another_meeting(gateway: str, script: Script) -> None:
    script.events = [(1, Recognized(said("one", 0, 1)))]
    with connected(gateway, ALICE, "cafe") as client:
        client.start(id="m")
        client.audio(AUDIO)
        found = finish(client)
        token = found[-2].headers["x-continuation-token"]
        # The SDK goes on counting.
        client.start(continuation(SECOND, token), id="m")
        client.audio(AUDIO)
        found = finish(client)
        assert texts(found) == ["one", "EndOfDictation"]
        assert found[1].document()["Offset"] == 0
        assert found[1].document()["UtteranceId"].endswith(f"_{SECOND}")
    assert len(script.sessions) == 2
    assert script.requests[1].notes == ()


def test_a_meeting_that_this_process_does_not_know_starts_at_its_position(
    gateway: str, script: Script
) -> None:
    script.events = [(1, Recognized(said("one", 0, 1)))]
    with connected(gateway, ALICE) as client:
        client.start(continuation(5 * SECOND), id="m")
        client.audio(AUDIO)
        found = finish(client)
        assert texts(found) == ["one", "EndOfDictation"]
        assert found[1].document()["Offset"] == 0
        assert found[1].document()["UtteranceId"].endswith(f"_{5 * SECOND}")
    (note,) = script.requests[0].notes
    assert "5.0 s" in note


def test_participants_join_and_leave(
    gateway: str, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[tuple[str, ...]] = []

    async def replace(_: object, request: Any) -> None:
        stored.append(tuple(attendee.id for attendee in request.attendees))

    monkeypatch.setattr("speech_adapters.meetings.MeetingService.replace_attendees", replace)
    with connected(gateway, ALICE, path="/?transcriptionMode=async") as client:
        client.start(id="m", attendees=[{"id": "kim"}])
        client.audio(AUDIO)
        client.event("join", id="m", attendees=[{"id": "lee"}])
        client.event("leave", id="m", attendees=[{"id": "kim"}])
        finish(client)
    assert stored == [("kim", "lee"), ("lee",)]


def test_the_client_of_a_lost_connection_may_start_the_meeting_anew(
    gateway: str, script: Script
) -> None:
    with connected(gateway, ALICE, "one") as client:
        client.start(id="m")
        client.audio(AUDIO)
        client.until("turn.start")
    while not script.sessions or not script.sessions[0].audio:
        time.sleep(0.01)
    with connected(gateway, ALICE, "two") as client:
        client.start(id="m")
        finish(client)
    assert script.sessions[0].closed
    assert not script.sessions[0].finished


def test_an_idle_connection_is_closed(tmp_path: Path, script: Script) -> None:
    properties = {"backend": "scripted", "gateway.idle_seconds": "0.2"}
    with (
        serving(settings_of(tmp_path, **properties)) as address,
        connected(address, ALICE) as client,
    ):
        client.start(id="m")
        assert client.closed()[0] == 1001


def test_nothing_of_a_client_is_logged(
    tmp_path: Path, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "speech_compat")
    caplog.set_level("DEBUG", "speech_adapters")
    script.events = [(1, BackendError("failed for alice/secret-id"))]
    with (
        serving(settings_of(tmp_path, backend="scripted")) as address,
        connected(address, ALICE, "secret-connection", path="/?language=secret") as client,
    ):
        client.start(
            {"dgi": {"Groups": [{"Items": [{"Text": "secret"}]}]}},
            id="secret-id",
            attendees=[{"id": "secret-name", "voice": "secret-voice"}],
        )
        client.audio(AUDIO)
        client.until("turn.end")
        client.event("join", attendees="secret")
        assert client.closed()[0] == 1007
    assert "secret" not in caplog.text
