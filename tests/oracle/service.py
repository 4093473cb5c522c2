"""A loopback speech service that plays a scenario to a real SDK client."""

from __future__ import annotations

import http
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from oracle.framing import Message, compose, parse
from oracle.scenario import Phrase, Scenario
from speech_adapters import LabelStyle

__all__ = ["loopback_service"]


@contextmanager
def loopback_service(scenario: Scenario, labels: LabelStyle) -> Iterator[str]:
    """Serve ``scenario`` until the block ends; gives ``ws://127.0.0.1:port``."""

    def check(connection: ServerConnection, _: Request) -> Response | None:
        if scenario.end == "unauthorized":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no\n")
        return None

    server = serve(
        _Player(scenario, labels).play,
        "127.0.0.1",
        0,
        process_request=check,
        subprotocols=[Subprotocol("USP")],
        select_subprotocol=lambda _, offered: next(iter(offered), None),
        compression=None,
    )
    with server, _running(server):
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"


@contextmanager
def _running(server: Server) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)


class _Player:
    def __init__(self, scenario: Scenario, labels: LabelStyle) -> None:
        self._scenario = scenario
        self._labels = labels

    def play(self, connection: ServerConnection) -> None:
        """Answer one turn: phrases once audio has come, the end as the scenario has it."""
        try:
            turn = self._first(connection, "speech.context").request_id
            self._first(connection, "audio")
            self._open(connection, turn)
            for index, phrase in enumerate(self._scenario.phrases):
                self._say(connection, turn, index, phrase)
            self._close(connection, turn)
            for _ in connection:  # telemetry, until the client leaves
                pass
        except ConnectionClosed:
            pass

    def _first(self, connection: ServerConnection, path: str) -> Message:
        while True:
            message = parse(connection.recv())
            if message.path == path:
                return message

    def _open(self, connection: ServerConnection, turn: str) -> None:
        tag = {"context": {"serviceTag": uuid.uuid4().hex}}
        connection.send(compose("turn.start", turn, tag))
        first = self._scenario.phrases[0].offset if self._scenario.phrases else 0
        connection.send(compose("speech.startDetected", turn, {"Offset": first}))

    def _say(self, connection: ServerConnection, turn: str, index: int, phrase: Phrase) -> None:
        speaker = self._labels.label(phrase.speaker)
        common = {
            "Id": f"{index:032x}",
            "Offset": phrase.offset,
            "Duration": phrase.duration,
            "SpeakerId": speaker,
            "UtteranceId": f"{index}_{speaker}_{phrase.offset}",
        }
        for text in phrase.hypotheses:
            connection.send(compose("speech.hypothesis", turn, {**common, "Text": text}))
        final = {**common, "RecognitionStatus": "Success", "DisplayText": phrase.text}
        connection.send(compose("speech.phrase", turn, final))

    def _close(self, connection: ServerConnection, turn: str) -> None:
        if self._scenario.end == "bad-request":
            connection.close(1007, "not today")
        else:
            if self._scenario.end == "malformed":
                connection.send(compose("speech.phrase", turn, "{this is no JSON"))
            self._await_end(connection)
            self._finish(connection, turn)

    def _await_end(self, connection: ServerConnection) -> None:
        while self._first(connection, "audio").body:
            pass

    def _finish(self, connection: ServerConnection, turn: str) -> None:
        last = max((p.offset + p.duration for p in self._scenario.phrases), default=0)
        done = {
            "Id": uuid.uuid4().hex,
            "RecognitionStatus": "EndOfDictation",
            "Offset": max(last, 50_000_000),
            "Duration": 0,
        }
        connection.send(compose("speech.endDetected", turn, {"Offset": last}))
        connection.send(compose("speech.phrase", turn, done))
        connection.send(compose("turn.end", turn, {}))
