"""A loopback speech service that plays a script to a real SDK, for tests.

Results are sent once the audio that they belong to was received, so that pauses, lost
connections and replays have the same effect as with the real service.  Needs the extra
``gateway``.
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

from speech_adapters.audio import PcmFormat
from speech_adapters.extras import missing_extra
from speech_adapters.transcript import TICKS_PER_SECOND
from speech_compat.gateway.dialogue import (
    AudioReceived,
    Dialogue,
    MeetingEvent,
    Turn,
    TurnEnded,
    TurnStarted,
)

try:
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response
    from websockets.sync.server import Server, ServerConnection, serve
    from websockets.typing import Subprotocol
except ModuleNotFoundError as error:
    raise missing_extra("gateway", "websockets") from error

__all__ = ["ABORT", "Connected", "HeldMeeting", "Line", "LoopbackService", "Script", "clock_audio"]

ABORT: Final = 0
"""In place of a close code: the connection ends without a close frame."""

_TENTHS: Final = 10
_TENTH: Final = TICKS_PER_SECOND // _TENTHS
# A 16-bit sample cannot count further.
_CLOCK_TURNS: Final = 65_536
_CREDENTIALS: Final = ("ocp-apim-subscription-key", "authorization")


@attrs.frozen
class Line:
    """An utterance of a script.

    Attributes:
        text: the final text.
        offset: start, in ticks from the start of the session.
        duration: length, in ticks.
        speaker: the label, ``Guest-1`` or ``Unknown``.
        hypotheses: texts of the hypotheses, evenly spread over the duration.
        status: the ``RecognitionStatus`` of the final result.
        fields: additional fields of hypotheses and final result.
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
        """End, in ticks from the start of the session."""
        return self.offset + self.duration


@attrs.frozen
class Script:
    """The utterances and faults that a service plays.

    Attributes:
        lines: the utterances, in the order of their offsets.
        refusals: HTTP statuses that refuse the first handshakes.
        refuse: HTTP status that refuses every handshake, or 0.
        tokens: accepted keys and tokens; empty accepts any.
        cuts: audio position (ticks) and close code of each cut, which happens once.
        stall: audio position (ticks) from which the first connection is not answered.
        malformed: whether a phrase that is not JSON follows the last line.
        close: close code after the last line, or 0.
        twice: whether every final result is sent twice.
        acknowledge: whether audio is acknowledged every second.
        clock: whether the audio is that of :func:`clock_audio`, so that the position of a
            client is known that starts a new session after a cut.
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
    """Return mono audio in which each sample is the number of its tenth of a second.

    Args:
        first: the number of the first tenth; the numbers wrap around at 65536.
        tenths: the number of tenths.
        sample_rate: samples per second.
    """
    each = sample_rate // _TENTHS
    return b"".join(
        (number % _CLOCK_TURNS).to_bytes(2, "little") * each
        for number in range(first, first + tenths)
    )


@attrs.frozen
class Connected:
    """An accepted handshake; ``query`` holds no credentials."""

    path: str
    query: Mapping[str, str]
    connection_id: str
    credential: str = attrs.field(repr=False)
    user_agent: str


@attrs.define
class HeldMeeting:
    """A meeting that a client held on one connection.

    Attributes:
        details: the meeting in the client's ``speech.event``.
        query: the query of the connection, without credentials.
        connection_id: the client's id of the connection.
        pcm: the format of the audio.
        received: ticks of audio.
        ended: whether the client ended the audio.
    """

    details: dict[str, Any]
    query: Mapping[str, str]
    connection_id: str
    pcm: PcmFormat = attrs.field(factory=PcmFormat)
    received: int = 0
    ended: bool = False

    @property
    def id(self) -> str:
        """The meeting's id."""
        return str(self.details["id"])

    @property
    def only_stored(self) -> bool:
        """Whether no results are wanted on the connection."""
        return self.query.get("transcriptionMode") == "async"


class LoopbackService:
    """Plays a script and records what clients send.

    Attributes:
        script: the script; read anew for each connection.
        connections: the accepted handshakes.
        contexts: the bodies of all ``speech.context`` messages.
        turn_starts: start of each turn in ticks of the session, with ``clock`` of the
            recording.
        received: ticks of audio received in all turns, replays included.
        meetings: the meetings, in the order of their beginning.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections: list[Connected] = []
        self.contexts: list[dict[str, Any]] = []
        self.turn_starts: list[int] = []
        self.received = 0
        self.meetings: list[HeldMeeting] = []
        # Each connection has a thread; the lock guards all that follows.
        self._lock = threading.Lock()
        # The refusals and cuts that are still due.
        self._refusals = list(script.refusals)
        self._cuts = sorted(script.cuts)
        # Whether a connection has stalled; only one ever does.
        self._stalled = False
        # End of the last final result by connection id, which a reconnect keeps.
        self._delivered: dict[str, int] = {}

    @contextmanager
    def running(self, port: int = 0) -> Iterator[str]:
        """Serve on loopback until the block ends; yields ``ws://127.0.0.1:PORT``."""
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

    def delivered(self, connection_id: str) -> int:
        """Return the end of the last final result sent to a session, in ticks."""
        with self._lock:
            return self._delivered.get(connection_id, 0)

    def set_delivered(self, connection_id: str, end: int) -> None:
        """Record that final results up to ``end`` (ticks) were sent to a session."""
        with self._lock:
            self._delivered[connection_id] = end

    def clock(self, sample: int) -> int:
        """Return the position of a sample of clock audio in the recording, in ticks.

        Among the positions with that number, it is the one nearest to the last result.
        """
        with self._lock:
            last = max(self._delivered.values(), default=0) // _TENTH
            turns = round((last - sample) / _CLOCK_TURNS)
            return (sample + turns * _CLOCK_TURNS) * _TENTH

    def meeting(self, connection_id: str) -> HeldMeeting | None:
        """Return the meeting of a connection."""
        with self._lock:
            return next((m for m in self.meetings if m.connection_id == connection_id), None)

    def hold(self, details: dict[str, Any], connection_id: str) -> None:
        """Begin a meeting; a client that connects again begins none."""
        if self.meeting(connection_id) is not None:
            return
        query = next(c.query for c in self.connections if c.connection_id == connection_id)
        with self._lock:
            self.meetings.append(HeldMeeting(details, query, connection_id))

    def result_id(self, connection_id: str, line: Line) -> str:
        """Return the id of the results of a line."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{connection_id}{line.offset}").hex

    def next_cut(self, position: int) -> int | None:
        """Return the close code of a cut that is due at ``position`` (ticks), once."""
        with self._lock:
            due = bool(self._cuts) and self._cuts[0][0] <= position
            return self._cuts.pop(0)[1] if due else None

    def stalls(self, position: int) -> bool:
        """Whether a connection stalls from ``position`` (ticks) on; only one ever does."""
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
        found = [request.headers.get(name) or lower.get(name, "") for name in _CREDENTIALS]
        credential = next((value.removeprefix("Bearer ") for value in found if value), "")
        status = self._refusal(credential)
        if status:
            return connection.respond(http.HTTPStatus(status), "refused by the script\n")
        shown = {name: value for name, value in query.items() if name.lower() not in _CREDENTIALS}
        own = _connection_id(request)
        agent = request.headers.get("User-agent", "")
        self.connections.append(Connected(address.path, shown, own, credential, agent))
        return None

    def _refusal(self, credential: str) -> int:
        with self._lock:
            if self._refusals:
                return self._refusals.pop(0)
        allowed = self.script.tokens
        return self.script.refuse or (401 if allowed and credential not in allowed else 0)

    def _play(self, connection: ServerConnection) -> None:
        request = connection.request
        own = _connection_id(request) if request else ""
        with suppress(ConnectionClosed, OSError):
            _Player(self, connection, own).play()


def _connection_id(request: Request) -> str:
    """Return the client's id of a connection, which the JavaScript SDK puts into the query."""
    query = dict(parse_qsl(urlsplit(request.path).query))
    found = request.headers.get("X-ConnectionId") or query.get("X-ConnectionId", "")
    return found.lower()


class _Player:
    """Plays the script on one connection."""

    def __init__(self, service: LoopbackService, connection: ServerConnection, own: str) -> None:
        self._service = service
        self._script = service.script
        self._connection = connection
        # The connection id, by which a reconnecting client is recognized.
        self._own = own
        # Whether the connection has stalled: audio is received, nothing is sent.
        self._stalled = False
        # Start of the current turn, in ticks of the session.
        self._base = 0
        # Whether the turn's start is known and its messages are scheduled.
        self._started = False
        # Messages of the turn that were not sent yet, with the position they wait for.
        self._due: list[tuple[int, str]] = []
        # Ticks of the turn that were acknowledged.
        self._acknowledged = 0

    def play(self) -> None:
        dialogue = Dialogue()
        for data in self._connection:
            match dialogue.receive(data):
                case TurnStarted(turn):
                    self._begin(turn)
                case AudioReceived(turn, audio):
                    self._service.received += turn.pcm.ticks(len(audio))
                    if self._script.clock and not self._started and audio:
                        self._base = self._service.clock(int.from_bytes(audio[:2], "little"))
                        self._start(turn)
                    self._advance(turn)
                case TurnEnded(turn):
                    self._finish(turn)
                case MeetingEvent(_, "start", meeting):
                    self._service.hold(meeting, self._own)
                case _:
                    pass

    def _begin(self, turn: Turn) -> None:
        self._service.contexts.append(turn.context)
        base = turn.base if turn.base is not None else self._service.delivered(self._own)
        self._base, self._started, self._due = base, False, []
        self._acknowledged = 0
        self._send(turn.start(uuid.uuid4().hex))
        if not self._script.clock:
            self._start(turn)

    def _start(self, turn: Turn) -> None:
        self._started = True
        self._service.turn_starts.append(self._base)
        lines = [line for line in self._script.lines if line.offset >= self._base]
        if lines:
            self._send(turn.speech_started(lines[0].offset - self._base))
        self._due = [step for line in lines for step in self._steps(turn, line)]

    def _steps(self, turn: Turn, line: Line) -> Iterator[tuple[int, str]]:
        """Yield the messages of a line with their due positions, in ticks of the session."""
        offset = line.offset - self._base
        own = {"Id": self._service.result_id(self._own, line)}
        more = {**own, "SpeakerId": line.speaker, **line.fields}
        for number, text in enumerate(line.hypotheses, 1):
            share = line.duration * number // (len(line.hypotheses) + 1)
            yield line.offset + share, turn.hypothesis(text, offset, share, **more)
        final = {**more, "RecognitionStatus": line.status}
        for _ in range(2 if self._script.twice else 1):
            yield line.end, turn.phrase(line.text, offset, line.duration, **final)

    def _advance(self, turn: Turn) -> None:
        position = self._base + turn.received
        meeting = self._service.meeting(self._own)
        if meeting is not None:
            meeting.pcm, meeting.received = turn.pcm, max(meeting.received, position)
            if meeting.only_stored:
                self._due = []
        self._stalled = self._stalled or self._service.stalls(position)
        code = self._service.next_cut(position)
        if code is not None:
            self._cut(code)
        while self._due and self._due[0][0] <= position:
            self._deliver(turn, *self._due.pop(0))
        if self._script.acknowledge and turn.received - self._acknowledged >= TICKS_PER_SECOND:
            self._acknowledged = turn.received
            self._send(turn.acknowledge("token", turn.received))

    def _deliver(self, turn: Turn, at: int, message: str) -> None:
        self._send(message)
        if "Path:speech.phrase" in message:
            self._service.set_delivered(self._own, at)
        lines = self._script.lines
        if not self._due and lines and at == lines[-1].end:
            if self._script.malformed:
                self._send(turn.raw("speech.phrase", "{this is no JSON"))
            if self._script.close:
                self._cut(self._script.close)

    def _finish(self, turn: Turn) -> None:
        end = self._base + turn.received
        for at, message in [step for step in self._due if step[0] <= end]:
            self._deliver(turn, at, message)
        self._due = []
        meeting = self._service.meeting(self._own)
        if meeting is not None:
            meeting.received, meeting.ended = max(meeting.received, end), True
        last = max((line.end for line in self._script.lines if line.end <= end), default=0)
        self._send(turn.speech_ended(max(last - self._base, 0)))
        self._send(turn.end_of_dictation(turn.received))
        self._send(turn.end())

    def _send(self, message: str) -> None:
        if not self._stalled:
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
