"""The worker protocol: JSON Lines from the worker, short commands from the session.

::

    worker ──▶ session    session events; NeedAudio; at the end Finished or Failed
    session ──▶ worker    "more": the file has grown;  "end SIZE": the audio has ended

The session sends ``more`` only in answer to ``NeedAudio``, so a busy worker is not flooded.
"""

from __future__ import annotations

import json

import attrs
import msgspec

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import BackendError

__all__ = ["Failed", "Finished", "NeedAudio", "WorkerMessage", "decode", "encode"]


@attrs.frozen
class NeedAudio:
    """The worker has read ``size`` bytes, all that the file holds, and waits for more."""

    size: int


def _printable(text: str) -> str:
    """Replace lone surrogates, which paths in messages may hold and JSON readers refuse."""
    return text.encode("utf-8", "replace").decode()


@attrs.frozen
class Failed:
    """The worker's last message after an error, with the ``reason`` for people."""

    reason: str = attrs.field(converter=_printable)


@attrs.frozen
class Finished:
    """The worker's last message; the transcript of a stored meeting is in the store."""


WorkerMessage = SessionEvent | NeedAudio | Failed | Finished

_KINDS: dict[str, type[WorkerMessage]] = {
    kind.__name__: kind
    for kind in (
        SpeechStarted,
        SpeechEnded,
        Hypothesis,
        Recognized,
        NoMatch,
        Progress,
        NeedAudio,
        Failed,
        Finished,
    )
}


class _Header(msgspec.Struct):
    kind: str


def encode(message: WorkerMessage) -> str:
    """Return the message as one line of ASCII, including its end."""
    # ASCII, because the encoding of the worker's standard output depends on the system.
    return json.dumps({"kind": type(message).__name__, **attrs.asdict(message)}) + "\n"


def decode(line: str | bytes) -> WorkerMessage:
    """Read one line.

    Raises:
        BackendError: the line is no message, for example because the worker died in it.
    """
    try:
        header = msgspec.json.decode(line, type=_Header)
        message: WorkerMessage = msgspec.json.decode(line, type=_KINDS[header.kind])
    except (ValueError, KeyError, RecursionError):
        # "from None": the parser's message may quote the transcript.
        raise BackendError(
            "The speech engine's process sent a message that cannot be read, probably because"
            " it crashed. A stored meeting is not lost: ask for it by its id. Otherwise start"
            " the meeting again."
        ) from None
    return message
