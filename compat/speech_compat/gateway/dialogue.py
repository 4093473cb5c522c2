"""One connection of a client: its messages and their answers, without any I/O.

A client opens a turn with ``speech.context``, sends audio, and ends the turn with an empty
audio message.  The service answers with messages of the same request id
(docs/protocol/speech-websocket.md, 2.2)::

    client   speech.config  speech.context  audio(header)  audio ...  audio(empty)
    service                 turn.start  hypothesis* phrase* ...       turn.end
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

import attrs

from speech_adapters.audio.pcm import PcmFormat, SourceFormat, to_pcm16
from speech_adapters.errors import AudioError
from speech_compat.gateway.framing import FramingError, Message, compose, parse

__all__ = [
    "AudioReceived",
    "Dialogue",
    "Event",
    "MeetingEvent",
    "OtherMessage",
    "Turn",
    "TurnEnded",
    "TurnStarted",
    "object_at",
]

_HEADER_BYTES: Final = 44
_RIFF: Final = b"RIFF"
_LONGEST_ID: Final = 128
_TICKS_PER_MILLISECOND: Final = 10_000
# Longer audio than 29,000 years: an offset beyond is no offset.
_MOST_TICKS: Final = 2**63 - 1
# The format tags of WAV headers (docs/protocol/legacy-interface.md, 4.4); of the extensible
# form only PCM is known.
_ENCODINGS: Final = {1: "pcm", 3: "float", 6: "alaw", 7: "mulaw", 0xFFFE: "pcm"}


@attrs.define
class Turn:
    """One request of a client; offsets in its answers count from the turn's start.

    Attributes:
        request_id: the id as the client spelled it.
        context: the body of ``speech.context``.
        base: start of the turn in the session, in ticks; ``None`` if the client does not
            send it (the JavaScript SDK's number has another meaning).
        pcm: format of the audio; valid after the header was received.
        size: bytes of audio received so far.
        source: format in which the client sends the audio, if it is not 16-bit PCM.
        has_header: whether the header was received.
    """

    request_id: str
    context: dict[str, Any]
    base: int | None
    pcm: PcmFormat = attrs.field(factory=PcmFormat)
    size: int = 0
    source: SourceFormat | None = None
    has_header: bool = False

    @property
    def position(self) -> int | None:
        """Where the client starts, in ticks of the session; ``None`` if it does not state it.

        The JavaScript SDK does not: in a later turn of the same session it repeats the audio
        from the end of the last final result that it has received, in either era.
        """
        # Native clients announce their stream in every turn, also where "base" is absent.
        return self.base if "audio" in self.context or "continuation" in self.context else None

    @property
    def token(self) -> str:
        """The continuation token of the last message that the client received; or empty."""
        found = object_at(self.context, "continuation").get("token")
        return found if isinstance(found, str) else ""

    @property
    def received(self) -> int:
        """Ticks of audio received so far."""
        return self.pcm.ticks(self.size)

    def start(self, service_tag: str) -> str:
        """Return ``turn.start``, without which the client ignores all other messages."""
        return self._compose("turn.start", {"context": {"serviceTag": service_tag}})

    def speech_started(self, offset: int) -> str:
        """Return ``speech.startDetected``; ``offset`` in ticks of the turn."""
        return self._compose("speech.startDetected", {"Offset": offset})

    def speech_ended(self, offset: int) -> str:
        """Return ``speech.endDetected``; ``offset`` in ticks of the turn."""
        return self._compose("speech.endDetected", {"Offset": offset})

    def hypothesis(self, text: str, offset: int, duration: int, **more: Any) -> str:
        """Return a hypothesis; ``more`` are fields such as ``SpeakerId``."""
        return self._compose(
            "speech.hypothesis", {"Text": text, "Offset": offset, "Duration": duration, **more}
        )

    def phrase(self, text: str, offset: int, duration: int, **more: Any) -> str:
        """Return a final result; a ``RecognitionStatus`` in ``more`` replaces ``Success``."""
        body = {"RecognitionStatus": "Success", "DisplayText": text, **more}
        return self._compose("speech.phrase", {**body, "Offset": offset, "Duration": duration})

    def end_of_dictation(self, offset: int) -> str:
        """Return the message that all audio up to ``offset`` (ticks of the turn) is done."""
        # Rounded up to a millisecond: a client opens another turn for any remainder
        # (docs/protocol/speech-websocket.md, 2.3).
        whole = -(-offset // _TICKS_PER_MILLISECOND) * _TICKS_PER_MILLISECOND
        return self.phrase("", whole, 0, RecognitionStatus="EndOfDictation")

    def acknowledge(self, token: str, offset: int) -> str:
        """Return the message that the client may discard audio up to ``offset`` (ticks)."""
        headers = {
            "X-Continuation-Token": token,
            "X-Continuation-Audio-Streams-1-Offset": str(offset),
        }
        return compose("gateway.ack", self.request_id, {}, headers)

    def end(self) -> str:
        """Return ``turn.end``."""
        return self._compose("turn.end", {})

    def message(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> str:
        """Return any message; offsets in ``body`` are those of the turn."""
        return compose(path, self.request_id, body, headers)

    def raw(self, path: str, text: str) -> str:
        """Return a message with any body, as a broken service would send it."""
        return compose(path, self.request_id, text)

    def _compose(self, path: str, body: dict[str, Any]) -> str:
        return compose(path, self.request_id, body)


@attrs.frozen
class TurnStarted:
    """The client opened a turn."""

    turn: Turn


@attrs.frozen
class AudioReceived:
    """The client sent 16-bit PCM in the format ``turn.pcm``."""

    turn: Turn
    audio: bytes


@attrs.frozen
class TurnEnded:
    """The client sends no more audio in this turn."""

    turn: Turn


@attrs.frozen
class MeetingEvent:
    """The client started a meeting, or changed its participants.

    Attributes:
        turn: the turn, which began before.
        name: ``start``, ``join``, ``leave`` or another one.
        meeting: the meeting; after ``join`` and ``leave`` only with the attendees concerned.
    """

    turn: Turn
    name: str
    meeting: dict[str, Any]


@attrs.frozen
class OtherMessage:
    """A message that needs no answer: ``speech.config``, ``telemetry``, ..."""

    message: Message


Event = TurnStarted | AudioReceived | TurnEnded | MeetingEvent | OtherMessage


class Dialogue:
    """Interprets the messages of one connection."""

    def __init__(self) -> None:
        self._turn: Turn | None = None

    def receive(self, data: str | bytes) -> Event:
        """Return the event that a received message means.

        Raises:
            FramingError: the data is not a message, or audio outside a turn.
        """
        message = parse(data)
        path = message.path
        if path == "audio":
            return self._audio(message.body)
        if path == "speech.context":
            if len(message.request_id) > _LONGEST_ID:
                # Every answer repeats it.
                raise FramingError(f"The id of a request has more than {_LONGEST_ID} characters.")
            context = message.document()
            self._turn = Turn(message.request_id, context, _base(context))
            return TurnStarted(self._turn)
        if path == "speech.event" and self._turn is not None:
            return _meeting_event(self._turn, message.document())
        return OtherMessage(message)

    def _audio(self, body: bytes) -> Event:
        turn = self._turn
        if turn is None:
            raise FramingError("Audio was received before a speech.context opened a turn.")
        if not body:
            return TurnEnded(turn)
        if not turn.size and body.startswith(_RIFF):
            source = _format(body)
            turn.pcm, turn.has_header = source.pcm, True
            turn.source = None if source.is_pcm16 else source
            body = body[_header_size(body) :]
        if turn.source is not None:
            whole = len(body) // turn.source.frame_bytes * turn.source.frame_bytes
            body = to_pcm16(body[:whole], turn.source)
        turn.size += len(body)
        return AudioReceived(turn, body)


def _format(header: bytes) -> SourceFormat:
    """Parse the format in a WAV header; clients leave its sizes at 0."""
    if len(header) < _HEADER_BYTES:
        raise FramingError("The header of the audio is truncated.")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", header, 20)
    if not channels or not rate:
        raise FramingError("The header of the audio declares no channels or no sample rate.")
    try:
        return SourceFormat(rate, channels, bits, _ENCODINGS.get(tag, "unknown"))
    except AudioError as error:
        raise FramingError(str(error)) from None


def _header_size(audio: bytes) -> int:
    """Return the size of a WAV header; that of the extensible form is longer."""
    found = audio.find(b"data", 36, 200)
    return _HEADER_BYTES if found < 0 else found + 8


def _meeting_event(turn: Turn, body: dict[str, Any]) -> MeetingEvent:
    name = body.get("name")
    return MeetingEvent(turn, name if isinstance(name, str) else "", object_at(body, "meeting"))


def _base(context: dict[str, Any]) -> int | None:
    """Return the start of a turn in ticks: exact in a continuation, else in milliseconds."""
    stream = object_at(context, "continuation", "audio", "streams", "1")
    if stream.get("offset") is not None:
        return _number(stream["offset"])
    diarization = object_at(context, "phraseDetection", "speakerDiarization")
    if "audioOffsetMs" in diarization:  # the JavaScript SDK's spelling and meaning
        return None
    return _number(diarization.get("audioOffsetMS") or 0) * _TICKS_PER_MILLISECOND


def object_at(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the object at a path of a JSON document; an empty one if it is absent or null.

    Raises:
        FramingError: there is something else at the path.
    """
    found = document
    for name in path:
        found = found.get(name) or {}
        if not isinstance(found, dict):
            raise FramingError(f"The field {name!r} of a message is not a JSON object.")
    return found


def _number(value: Any) -> int:
    try:
        number = int(value)  # some clients send digits as text
    except (ValueError, TypeError, OverflowError):
        raise FramingError("An offset in speech.context is not a number.") from None
    if not 0 <= number <= _MOST_TICKS:
        raise FramingError("An offset in speech.context is no position in audio.")
    return number
