"""What a client says on one connection, and how it is answered, without any I/O.

A client opens a turn with ``speech.context``, sends audio, and ends it with an empty
audio message; the service answers with messages of the same request id
(docs/protocol/speech-websocket.md, 2.2, docs/protocol/speech-websocket.md, 2.3)::

    client   speech.config  speech.context  audio(header)  audio ...  audio(empty)
    service                 turn.start  hypothesis* phrase* ...       turn.end
"""

from __future__ import annotations

import struct
from typing import Any, Final

import attrs

from speech_adapters.audio.pcm import PcmFormat
from speech_compat.gateway.framing import FramingError, Message, compose, parse

__all__ = ["Began", "Dialogue", "Ended", "Event", "Heard", "Told", "Turn"]

_HEADER_BYTES: Final = 44
_RIFF: Final = b"RIFF"
_TICKS_PER_MILLISECOND: Final = 10_000


@attrs.define
class Turn:
    """One request of a client; offsets in its answers are counted from its start.

    Attributes:
        request_id: as the client spelled it.
        context: the body of ``speech.context``.
        base: where the turn begins in the session, in ticks; ``None`` where the client
            does not say (the JavaScript SDK's figure means something else).
        pcm: the format of the audio, once its header has come.
        size: bytes of audio heard so far.
    """

    request_id: str
    context: dict[str, Any]
    base: int | None
    pcm: PcmFormat = attrs.field(factory=PcmFormat)
    size: int = 0

    @property
    def heard(self) -> int:
        """Ticks of audio heard so far."""
        return self.pcm.ticks(self.size)

    def start(self, service_tag: str) -> str:
        """Write what the client waits for before anything else."""
        return self._say("turn.start", {"context": {"serviceTag": service_tag}})

    def speech_started(self, offset: int) -> str:
        """Write that speech was heard; ``offset`` in ticks of the turn."""
        return self._say("speech.startDetected", {"Offset": offset})

    def speech_ended(self, offset: int) -> str:
        """Write that speech has ended; ``offset`` in ticks of the turn."""
        return self._say("speech.endDetected", {"Offset": offset})

    def hypothesis(self, text: str, offset: int, duration: int, **more: Any) -> str:
        """Write what was understood so far; ``more`` are fields such as ``SpeakerId``."""
        return self._say(
            "speech.hypothesis", {"Text": text, "Offset": offset, "Duration": duration, **more}
        )

    def phrase(self, text: str, offset: int, duration: int, **more: Any) -> str:
        """Write a final result; a ``RecognitionStatus`` in ``more`` replaces ``Success``."""
        body = {"RecognitionStatus": "Success", "DisplayText": text, **more}
        return self._say("speech.phrase", {**body, "Offset": offset, "Duration": duration})

    def end_of_dictation(self, offset: int) -> str:
        """Write that all audio up to ``offset`` (ticks of the turn) was looked at.

        Rounded up to a millisecond: a client that thinks that a rest is left opens
        another turn for it (docs/protocol/speech-websocket.md, 2.3).
        """
        whole = -(-offset // _TICKS_PER_MILLISECOND) * _TICKS_PER_MILLISECOND
        return self.phrase("", whole, 0, RecognitionStatus="EndOfDictation")

    def acknowledge(self, token: str, offset: int) -> str:
        """Write that audio up to ``offset`` need not be kept; no program sees it."""
        headers = {
            "X-Continuation-Token": token,
            "X-Continuation-Audio-Streams-1-Offset": str(offset),
        }
        return compose("gateway.ack", self.request_id, {}, headers)

    def end(self) -> str:
        """Write that the turn is over."""
        return self._say("turn.end", {})

    def raw(self, path: str, text: str) -> str:
        """Write a body that may be no JSON, as a broken service would."""
        return compose(path, self.request_id, text)

    def _say(self, path: str, body: dict[str, Any]) -> str:
        return compose(path, self.request_id, body)


@attrs.frozen
class Began:
    """A turn was opened."""

    turn: Turn


@attrs.frozen
class Heard:
    """Audio came: 16-bit PCM as the turn's ``pcm`` says."""

    turn: Turn
    audio: bytes


@attrs.frozen
class Ended:
    """No more audio will come in this turn."""

    turn: Turn


@attrs.frozen
class Told:
    """Something else: ``speech.config``, ``speech.event``, ``telemetry``, ..."""

    message: Message


Event = Began | Heard | Ended | Told


class Dialogue:
    """The client's side of one connection."""

    def __init__(self) -> None:
        self._turn: Turn | None = None

    def receive(self, data: str | bytes) -> Event:
        """Take a message; gives what it means.

        Raises:
            FramingError: it is no message, or audio that belongs to no turn.
        """
        message = parse(data)
        if message.path == "speech.context":
            context = message.document()
            self._turn = Turn(message.request_id, context, _base(context))
            return Began(self._turn)
        if message.path == "audio":
            return self._audio(message.body)
        return Told(message)

    def _audio(self, body: bytes) -> Event:
        turn = self._turn
        if turn is None:
            raise FramingError("Audio came before a speech.context that opens a turn.")
        if not body:
            return Ended(turn)
        if body.startswith(_RIFF) and not turn.size:
            turn.pcm = _format(body)
            body = body[_HEADER_BYTES:]
        turn.size += len(body)
        return Heard(turn, body)


def _format(header: bytes) -> PcmFormat:
    """Read channels and rate of a WAV header whose sizes are 0."""
    if len(header) < _HEADER_BYTES:
        raise FramingError("The audio's header is cut short.")
    channels, rate = struct.unpack_from("<HI", header, 22)
    if not channels or not rate:
        raise FramingError("The audio's header has no channels or no rate.")
    return PcmFormat(rate, channels)


def _base(context: dict[str, Any]) -> int | None:
    """Give where a turn begins: exact in a continuation, else in milliseconds."""
    streams = context.get("continuation", {}).get("audio", {}).get("streams", {})
    offset = streams.get("1", {}).get("offset")
    if offset is not None:
        return int(offset)
    diarization = context.get("phraseDetection", {}).get("speakerDiarization", {})
    if "audioOffsetMs" in diarization:  # so spelled by the JavaScript SDK
        return None
    return int(diarization.get("audioOffsetMS", 0)) * _TICKS_PER_MILLISECOND
