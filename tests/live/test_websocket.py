from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from vcr.serializers import yamlserializer
from websockets.exceptions import InvalidStatus

from double.raw_client import connected
from live.websocket import WebsocketRecorder
from speech_compat.testing.loopback import LoopbackService, Script
from speech_compat.testing.scrubbing import Scrubber

KEY = "PLANTED-key-0123456789"
PATH = "/stt/speech/universal/v2"


@contextmanager
def recording(script: Script) -> Iterator[tuple[WebsocketRecorder, str]]:
    with LoopbackService(script).running() as upstream:
        recorder = WebsocketRecorder(f"{upstream}{PATH}", Scrubber([KEY]))
        with recorder.running() as address:
            yield recorder, address


def test_messages_of_both_sides_are_recorded(tmp_path: Path) -> None:
    with recording(Script()) as (recorder, address):
        path = "?language=en-US&sig=PLANTED"
        with connected(address, KEY, "a" * 32, path) as client:
            client.start({"token": "PLANTED", "run": "run-7"})
            client.audio(b"PLANTED audio")
            client.audio(b"")
            client.until("turn.end")
        recorder.write(tmp_path / "x.yaml", "# recorded from x", "run-7")
    shown = [(found.sender, found.path) for found in recorder.messages]
    assert shown[:3] == [
        ("client", "handshake"),
        ("service", "handshake"),
        ("client", "speech.context"),
    ]
    assert ("service", "turn.start") in shown
    assert ("service", "turn.end") in shown
    audio = [found.body for found in recorder.messages if found.path == "audio"]
    assert audio == ["44 bytes", "13 bytes", "0 bytes"]
    text = (tmp_path / "x.yaml").read_text()
    assert text.startswith("# recorded from x\n")
    assert "PLANTED" not in text
    content = yamlserializer.deserialize(text)["messages"]
    assert content[0]["headers"][":path"] == f"{PATH}?language=en-US&sig=scrubbed"
    assert content[2]["body"]["token"] == "scrubbed"
    assert content[2]["body"]["run"] == "speech-compat-live"


def test_a_refusal_is_passed_on_and_recorded() -> None:
    with (
        recording(Script(tokens=frozenset({"another"}))) as (recorder, address),
        pytest.raises(InvalidStatus) as caught,
        connected(address, KEY, path=""),
    ):
        pass
    assert caught.value.response.status_code == 401
    assert recorder.messages[-1].headers[":status"] == "401"


def test_a_service_that_is_not_reached() -> None:
    recorder = WebsocketRecorder("ws://127.0.0.1:1/x", Scrubber())
    with (
        recorder.running() as address,
        pytest.raises(InvalidStatus) as caught,
        connected(address, path=""),
    ):
        pass
    assert caught.value.response.status_code == 502
    assert recorder.messages[-1].headers == {":error": "ConnectionRefusedError"}
