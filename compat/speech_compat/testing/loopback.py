"""A speech service on this machine that plays a script to a real SDK: for tests.

What is said is said when the audio that it belongs to has been heard, so that pauses,
lost connections and replays have the effect that they have with the real service.  It
needs the extra ``gateway``.
"""

from __future__ import annotations

import http
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import attrs
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from speech_adapters.transcript import TICKS_PER_SECOND
from speech_compat.gateway.dialogue import Began, Dialogue, Ended, Heard, Turn

__all__ = ["ABORT", "Connected", "Line", "LoopbackService", "Script", "clock_audio"]

# As a close code: the connection is torn down without any.
ABORT: Final = 0
_TENTHS: Final = 10
_TENTH: Final = TICKS_PER_SECOND // _TENTHS
_CLOCK_TURNS: Final = 65_536
_SECRET: Final = ("ocp-apim-subscription-key", "authorization")


@attrs.frozen
class Line:
    """Something said: offset and duration in ticks from the start of the session.

    Attributes:
        text: the final text.
        offset: where it begins.
        duration: how long it is.
        speaker: the label, ``Guest-1`` or ``Unknown``.
        hypotheses: what is understood before, evenly spread over its length.
        status: a ``RecognitionStatus`` other than ``Success``.
        fields: further fields of both.
    """

    text: str
    offset: int
    duration: int
    speaker: str = "Guest-1"
    hypotheses: tuple[str, ...] = ()
    status: str = "Success"
    fields: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + self.duration


@attrs.frozen
class Script:
    """What is said, and what goes wrong.

    Attributes:
        lines: in the order of their offsets.
        refusals: HTTP statuses with which the first handshakes are refused.
        refuse: HTTP status with which all are, or 0.
        tokens: the credentials taken, keys or tokens; any where there is none.
        cuts: each once, when that much audio (ticks) was heard: the close code.
        stall: from that much audio on (ticks) the first connection is not answered.
        malformed: a phrase that is no JSON follows the last line.
        close: the code with which the connection is closed after the last line, or 0.
        twice: every final result is sent twice.
        acknowledge: audio is acknowledged every second, whether anything is said or not.
        clock: the samples tell when they were recorded (see :func:`clock_audio`), so that
            it is known where a client begins again that makes a session of its own.
    """

    lines: tuple[Line, ...] = ()
    refusals: tuple[int, ...] = ()
    refuse: int = 0
    tokens: frozenset[str] = frozenset()
    cuts: tuple[tuple[int, int], ...] = ()
    stall: int | None = None
    malformed: bool = False
    close: int = 0
    twice: bool = False
    acknowledge: bool = False
    clock: bool = False


def clock_audio(first: int, tenths: int, sample_rate: int = 16_000) -> bytes:
    """Give mono audio whose samples are the number of their tenth of a second.

    Args:
        first: the number of the first tenth; they begin anew after 65536.
        tenths: how many there are.
        sample_rate: samples per second.
    """
    each = sample_rate // _TENTHS
    return b"".join(
        (number % _CLOCK_TURNS).to_bytes(2, "little") * each
        for number in range(first, first + tenths)
    )


@attrs.frozen
class Connected:
    """A handshake that was accepted; credentials are left out of ``query``."""

    path: str
    query: Mapping[str, str]
    connection_id: str
    credential: str = attrs.field(repr=False)


class LoopbackService:
    """Plays a script; counts what it sees.

    Attributes:
        connections: the handshakes accepted.
        contexts: the bodies of all ``speech.context`` messages.
        begun: where each turn began, in ticks of the session, or with ``clock`` of the
            recording.
        heard: ticks of audio received in all turns, replays included.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections: list[Connected] = []
        self.contexts: list[dict[str, Any]] = []
        self.begun: list[int] = []
        self.heard = 0
        self._lock = threading.Lock()
        self._refusals = list(script.refusals)
        self._cuts = sorted(script.cuts)
        self._stalled = False
        self._said: dict[str, int] = {}

    @contextmanager
    def running(self, port: int = 0) -> Iterator[str]:
        """Serve on loopback until the block ends; gives ``ws://127.0.0.1:PORT``."""
        server = serve(
            self._play,
            "127.0.0.1",
            port,
            process_request=self._admit,
            subprotocols=[Subprotocol("USP")],
            select_subprotocol=lambda _, offered: next(iter(offered), None),
            compression=None,
        )
        with server, _serving(server):
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    def said_to(self, connection_id: str, end: int | None = None) -> int:
        """Give, or note, up to where a session was told final results, in ticks."""
        with self._lock:
            if end is not None:
                self._said[connection_id] = end
            return self._said.get(connection_id, 0)

    def clock(self, sample: int) -> int:
        """Give when a sample of clock audio was recorded, nearest to what was said last."""
        with self._lock:
            last = max(self._said.values(), default=0) // _TENTH
            turns = round((last - sample) / _CLOCK_TURNS)
            return (sample + turns * _CLOCK_TURNS) * _TENTH

    def next_cut(self, position: int) -> int | None:
        """Give the close code of a cut that is due at ``position``, and forget it."""
        with self._lock:
            due = bool(self._cuts) and self._cuts[0][0] <= position
            return self._cuts.pop(0)[1] if due else None

    def stalls(self, position: int) -> bool:
        """Whether answers cease here; only ever on one connection."""
        with self._lock:
            stall = self.script.stall
            if stall is None or self._stalled or position < stall:
                return False
            self._stalled = True
            return True

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        address = urlsplit(request.path)
        query = dict(parse_qsl(address.query))
        lower = {name.lower(): value for name, value in query.items()}
        found = [request.headers.get(name) or lower.get(name, "") for name in _SECRET]
        credential = next((value.removeprefix("Bearer ") for value in found if value), "")
        status = self._refusal(credential)
        if status:
            return connection.respond(http.HTTPStatus(status), "refused as told\n")
        shown = {name: value for name, value in query.items() if name.lower() not in _SECRET}
        own = request.headers.get("X-ConnectionId") or query.get("X-ConnectionId", "")
        self.connections.append(Connected(address.path, shown, own.lower(), credential))
        return None

    def _refusal(self, credential: str) -> int:
        with self._lock:
            if self._refusals:
                return self._refusals.pop(0)
        allowed = self.script.tokens
        return self.script.refuse or (401 if allowed and credential not in allowed else 0)

    def _play(self, connection: ServerConnection) -> None:
        request = connection.request
        own = request.headers.get("X-ConnectionId", "").lower() if request else ""
        with suppress(ConnectionClosed, OSError):
            _Player(self, connection, own).play()


class _Player:
    """One connection."""

    def __init__(self, service: LoopbackService, connection: ServerConnection, own: str) -> None:
        self._service = service
        self._script = service.script
        self._connection = connection
        self._own = own
        self._mute = False
        self._base = 0
        self._started = False
        self._due: list[tuple[int, str]] = []
        self._acknowledged = 0

    def play(self) -> None:
        dialogue = Dialogue()
        for data in self._connection:
            match dialogue.receive(data):
                case Began(turn):
                    self._begin(turn)
                case Heard(turn, audio):
                    self._service.heard += turn.pcm.ticks(len(audio))
                    if self._script.clock and not self._started and audio:
                        self._base = self._service.clock(int.from_bytes(audio[:2], "little"))
                        self._start(turn)
                    self._go_on(turn)
                case Ended(turn):
                    self._finish(turn)
                case _:
                    pass

    def _begin(self, turn: Turn) -> None:
        self._service.contexts.append(turn.context)
        known = turn.base if turn.base is not None else self._service.said_to(self._own)
        self._base, self._started, self._due = known, False, []
        self._acknowledged = 0
        self._send(turn.start(uuid.uuid4().hex))
        if not self._script.clock:
            self._start(turn)

    def _start(self, turn: Turn) -> None:
        self._started = True
        self._service.begun.append(self._base)
        lines = [line for line in self._script.lines if line.offset >= self._base]
        if lines:
            self._send(turn.speech_started(lines[0].offset - self._base))
        self._due = [step for line in lines for step in self._steps(turn, line)]

    def _steps(self, turn: Turn, line: Line) -> Iterator[tuple[int, str]]:
        """Give when, in ticks of the session, which message is due."""
        offset = line.offset - self._base
        own = {"Id": uuid.uuid5(uuid.NAMESPACE_OID, f"{self._own}{line.offset}").hex}
        more = {**own, "SpeakerId": line.speaker, **line.fields}
        for number, text in enumerate(line.hypotheses, 1):
            share = line.duration * number // (len(line.hypotheses) + 1)
            yield line.offset + share, turn.hypothesis(text, offset, share, **more)
        final = {**more, "RecognitionStatus": line.status}
        for _ in range(2 if self._script.twice else 1):
            yield line.end, turn.phrase(line.text, offset, line.duration, **final)

    def _go_on(self, turn: Turn) -> None:
        position = self._base + turn.heard
        self._mute = self._mute or self._service.stalls(position)
        code = self._service.next_cut(position)
        if code is not None:
            self._cut(code)
        while self._due and self._due[0][0] <= position:
            self._say(turn, *self._due.pop(0))
        if self._script.acknowledge and turn.heard - self._acknowledged >= TICKS_PER_SECOND:
            self._acknowledged = turn.heard
            self._send(turn.acknowledge("token", turn.heard))

    def _say(self, turn: Turn, at: int, message: str) -> None:
        self._send(message)
        if "Path:speech.phrase" in message:
            self._service.said_to(self._own, at)
        lines = self._script.lines
        if not self._due and lines and at == lines[-1].end:
            if self._script.malformed:
                self._send(turn.raw("speech.phrase", "{this is no JSON"))
            if self._script.close:
                self._cut(self._script.close)

    def _finish(self, turn: Turn) -> None:
        end = self._base + turn.heard
        for at, message in [step for step in self._due if step[0] <= end]:
            self._say(turn, at, message)
        self._due = []
        last = max((line.end for line in self._script.lines if line.end <= end), default=0)
        self._send(turn.speech_ended(max(last - self._base, 0)))
        self._send(turn.end_of_dictation(turn.heard))
        self._send(turn.end())

    def _send(self, message: str) -> None:
        if not self._mute:
            self._connection.send(message)

    def _cut(self, code: int) -> None:
        if code == ABORT:
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            self._connection.close(code, "not today")


@contextmanager
def _serving(server: Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(10)
