"""No websocket leads to a meeting of another owner, whatever id or connection it names."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from double.clock_backend import ClockBackend, numbers
from double.gateway import KEYS, client_of, serving, settings_of
from double.victim import IDS, MEETING, WEBSOCKETS, Victim, shown
from speech_adapters import meetings as module
from speech_adapters.audio.wav import wav_header
from speech_adapters.store import Store
from speech_compat.gateway.framing import Message, compose, parse
from speech_compat.testing.loopback import clock_audio

RATE: Final = 16_000
SECONDS: Final = 30.0
# The tenths that each owner speaks: what is heard states whose audio it was.
ALICE: Final = range(40)
BOB: Final = range(1_000, 1_040)


class Talker:
    """A client of one meeting, which speaks clock audio."""

    def __init__(
        self,
        address: str,
        owner: str,
        meeting_id: str,
        path: str = WEBSOCKETS[0],
        *,
        mode: str = "",
        offset: int = 0,
        connection_id: str = "",
        key: str | None = None,
    ) -> None:
        self._url = f"{address.replace('http', 'ws', 1)}{path}?transcriptionMode={mode}"
        self._headers = {
            "Ocp-Apim-Subscription-Key": KEYS[owner] if key is None else key,
            "X-ConnectionId": connection_id or uuid.uuid4().hex,
        }
        self._offset = offset
        self._request_id = uuid.uuid4().hex
        self._meeting = {"id": meeting_id, "attendees": [], "DifferentiateGuestSpeakers": "true"}
        self.received: list[Message] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        connecting = connect(
            self._url, additional_headers=self._headers, compression=None, proxy=None
        )
        self._socket = self._stack.enter_context(connecting)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        context: dict[str, Any] = {"audio": {"streams": {"1": None}}}
        if self._offset:
            context["continuation"] = {"audio": {"streams": {"1": {"offset": str(self._offset)}}}}
        event = {"id": "meeting", "name": "start", "meeting": self._meeting}
        for name, body in (("speech.context", context), ("speech.event", event)):
            self._socket.send(compose(name, self._request_id, body))
        self._audio(wav_header(0, RATE))

    def speak(self, tenths: range) -> None:
        for tenth in tenths:
            self._audio(clock_audio(tenth, 1, RATE))

    def end(self) -> None:
        """End the audio, and receive until the end of the turn."""
        self._audio(b"")
        self.receive("turn.end")

    def receive(self, path: str) -> None:
        while not self.received or self.received[-1].path != path:
            self.received.append(parse(self._socket.recv(timeout=SECONDS)))

    @property
    def heard(self) -> set[int]:
        """The tenths that the results name."""
        texts = [json.loads(message.body).get("DisplayText", "") for message in self.received]
        return {tenth for text in texts if text for tenth in numbers(text)}

    @property
    def content(self) -> bytes:
        return b"".join(message.body for message in self.received)

    def _audio(self, data: bytes) -> None:
        head = f"Path:audio\r\nX-RequestId:{self._request_id}\r\nX-StreamId:1\r\n".encode()
        self._socket.send(len(head).to_bytes(2, "big") + head + data)


@pytest.fixture
def victim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Victim]:
    def create_backend(_: object, name: str, host: Any) -> ClockBackend:
        return ClockBackend(host, name)

    monkeypatch.setattr(module, "create_backend", create_backend)
    with serving(settings_of(tmp_path)) as address:
        yield Victim(address, tmp_path)


@pytest.mark.parametrize("mode", ["", "async", "RealTimeAndAsync"])
@pytest.mark.parametrize("path", WEBSOCKETS)
def test_a_meeting_with_the_same_id_is_another_one(
    victim: Victim, tmp_path: Path, path: str, mode: str
) -> None:
    with Talker(victim.address, "bob", MEETING, path, mode=mode) as bob:
        bob.start()
        bob.speak(BOB)
        bob.end()
    assert bob.heard == (set() if mode == "async" else set(BOB))
    assert not shown(bob.content)
    victim.assert_unchanged()
    with Store.open(tmp_path) as store:
        found = {recording.meeting_id for recording in store.recordings()}
    assert found == {f"alice/{MEETING}", *([f"bob/{MEETING}"] if mode else [])}


@pytest.mark.parametrize("offset", [0, 10_000_000])
@pytest.mark.parametrize("meeting_id", IDS)
def test_no_id_continues_or_overwrites_the_meeting(
    victim: Victim, tmp_path: Path, meeting_id: str, offset: int
) -> None:
    with Talker(victim.address, "bob", meeting_id, mode="async", offset=offset) as bob:
        bob.start()
        bob.speak(BOB)
        bob.end()
    assert not shown(bob.content)
    victim.assert_unchanged()
    with client_of(victim.address, "alice") as alice:
        found = alice.get("/api/v1/offlinetask", params={"id": MEETING}).json()
    assert len(found["transcriptions"]) == 1


@pytest.mark.parametrize("offset", [0, 10_000_000])
def test_the_connection_id_of_another_owner_reaches_nothing(victim: Victim, offset: int) -> None:
    """With it, the owner would continue the running meeting after a lost connection."""
    options: dict[str, Any] = {"connection_id": uuid.uuid4().hex, "mode": "RealTimeAndAsync"}
    with Talker(victim.address, "alice", "running", **options) as alice:
        alice.start()
        alice.speak(ALICE[:20])
        alice.receive("speech.phrase")
        with Talker(victim.address, "bob", "running", offset=offset, **options) as bob:
            bob.start()
            bob.speak(BOB)
            bob.end()
        assert bob.heard == set(BOB)
        alice.speak(ALICE[20:])
        alice.end()
    assert alice.heard == set(ALICE)


@pytest.mark.parametrize("path", WEBSOCKETS)
@pytest.mark.parametrize("key", ["", "wrong"])
def test_without_a_valid_key_there_is_no_connection(victim: Victim, path: str, key: str) -> None:
    talker = Talker(victim.address, "alice", MEETING, path, key=key)
    with pytest.raises(InvalidStatus) as caught, talker:
        pass
    assert caught.value.response.status_code == 401
    victim.assert_unchanged()
