"""Clients of a gateway in any order: lost connections, the ids of others, and reconnects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    rule,
    run_state_machine_as_test,
)

from double.frames import CLOSE, frame
from double.fuzzed_gateway import BOB, Attacker, FuzzedGateway, attacked, audio, message
from double.gateway_server import KEY
from double.raw_client import wav_header
from fuzz.cases import CASES, fuzz
from speech_compat.gateway.framing import Message
from speech_compat.testing.loopback import clock_audio

# The audio of each owner consists of numbers that no other owner has.
_FIRST = {KEY: 1, BOB: 10_000}
_INTERNAL = 1011


class _Client(Attacker):
    """A websocket with what a real client remembers.

    Attributes:
        key: the credential of its owner.
        turn: whether it has opened a turn.
        begun: whether it has sent audio in the turn.
        position: the end of the last result.
        token: the last continuation token.
    """

    key: str = KEY
    turn = begun = False
    position = 0
    token = ""

    def _note(self, found: Message) -> None:
        super()._note(found)
        self.token = found.headers.get("x-continuation-token", self.token)


class Sequences(RuleBasedStateMachine):
    """Any number of clients with few ids, so that they meet."""

    gateway: ClassVar[FuzzedGateway]
    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self._open: list[_Client] = []
        # The tokens that the gateway has sent to anyone.
        self._tokens = [""]

    @rule(
        target=clients,
        key=st.sampled_from([KEY, BOB]),
        connection_id=st.sampled_from(["a", "B", ""]),
        mode=st.sampled_from(
            ["", "?transcriptionMode=async", "?transcriptionMode=RealTimeAndAsync"]
        ),
    )
    def connect(self, key: str, connection_id: str, mode: str) -> _Client:
        opened = self.gateway.websocket(mode, key=key, connection_id=connection_id)
        client = _Client(opened.socket)
        client.key = key
        self._open.append(client)
        return client

    @rule(client=clients, position=st.integers(-1, 60), token=st.integers(0, 9))
    def open_turn(self, client: _Client, position: int, token: int) -> None:
        context: dict[str, Any] = {"audio": {"streams": {"1": None}}}
        if position >= 0:
            found = self._tokens[token % len(self._tokens)]
            streams = {"1": {"offset": str(position * 1_000_000)}}
            context["continuation"] = {"token": found, "audio": {"streams": streams}}
        client.send(message("speech.context", json.dumps(context)))
        client.turn, client.begun = True, False

    @rule(
        client=clients,
        name=st.sampled_from(["start", "join", "leave"]),
        meeting=st.sampled_from(["m", "n"]),
        attendee=st.sampled_from(["kim", "lee"]),
    )
    def announce(self, client: _Client, name: str, meeting: str, attendee: str) -> None:
        found = {"id": meeting, "attendees": [{"id": attendee}]}
        client.send(message("speech.event", json.dumps({"name": name, "meeting": found})))

    @rule(
        client=clients,
        first=st.integers(0, 60),
        tenths=st.integers(0, 45),
        header=st.booleans(),
        form=st.sampled_from([(1, 16_000), (1, 16_000), (2, 8_000)]),
    )
    def send_audio(
        self, client: _Client, first: int, tenths: int, header: bool, form: tuple[int, int]
    ) -> None:
        data = clock_audio(_FIRST[client.key] + first, tenths)
        if header or not client.begun:
            data = wav_header(*form) + data
        client.send(audio(data))
        client.begun = True

    @rule(client=clients)
    def end_turn(self, client: _Client) -> None:
        client.send(audio(b""))
        # Every turn ends, or its connection does.
        if client.turn and client.read("turn.end") is None:
            assert client.code
        client.turn = False
        self._check(client)

    @rule(client=clients)
    def read(self, client: _Client) -> None:
        client.read()
        self._check(client)

    @rule(client=consumes(clients))
    def lose(self, client: _Client) -> None:
        client.abort()

    @rule(client=consumes(clients))
    def close(self, client: _Client) -> None:
        client.send_raw(frame(CLOSE, b"\x03\xe8"))
        client.read()
        self._check(client)
        client.socket.close()

    def _check(self, client: _Client) -> None:
        assert client.code != _INTERNAL
        if client.token and client.token not in self._tokens:
            self._tokens.append(client.token)
        numbers = {int(number) for text in client.texts for number in text.split("-")}
        # Silence, which fills a gap, has the number 0.
        assert not [n for n in numbers if n and (n >= _FIRST[BOB]) is not (client.key == BOB)]

    def teardown(self) -> None:
        for client in self._open:
            client.abort()
        self.gateway.rest()
        self.gateway.check()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzedGateway]:
    with attacked(tmp_path_factory.mktemp("fuzzed")) as gateway:
        yield gateway


def test_sequences(gateway: FuzzedGateway) -> None:
    Sequences.gateway = gateway
    limits = settings(fuzz, max_examples=max(CASES // 3, 1), stateful_step_count=25)
    run_state_machine_as_test(Sequences, settings=limits)
