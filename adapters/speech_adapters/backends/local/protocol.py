"""The protocol between the sessions of a program and the process that transcribes for them.

Both directions have one line for each message, and each line names the session by its number,
because one process serves all sessions of a program::

    process ──▶ session    NUMBER JSON       session events; NeedAudio; at last Finished, Failed
                                             or Stopped
    session ──▶ process    start NUMBER JOB  transcribe the recording of this job
                           more NUMBER       the file has grown
                           end NUMBER SIZE   the audio has ended
                           read NUMBER COUNT the session has read so many further messages
                           stop NUMBER       the session was closed

The session sends ``more`` only in answer to ``NeedAudio``, so a busy process is not flooded.
The process sends at most :data:`WINDOW` messages ahead of the session's reading, so the memory
of the program stays bounded, and a session that does not read holds up no other one.
"""

from __future__ import annotations

import json
from typing import Final

import attrs
import msgspec

from speech_adapters.contract import (
    Hypothesis,
    NoMatch,
    Origin,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.errors import BackendError

__all__ = [
    "WINDOW",
    "Failed",
    "Finished",
    "NeedAudio",
    "Stopped",
    "WorkerMessage",
    "decode",
    "encode",
]

WINDOW: Final = 1024
# More digits are no number of a session, and Python refuses to convert thousands of them.
_LONGEST_NUMBER: Final = 18


@attrs.frozen
class NeedAudio:
    """The process has read ``size`` bytes, all that the file holds, and waits for more."""

    size: int


def _printable(text: str) -> str:
    """Replace lone surrogates, which paths in messages may hold and JSON readers refuse."""
    return text.encode("utf-8", "replace").decode()


@attrs.frozen
class Failed:
    """The last message of a meeting after an error, with the ``reason`` for people."""

    reason: str = attrs.field(converter=_printable)


@attrs.frozen
class Finished:
    """The last message of a meeting; the transcript of a stored one is in the store."""


@attrs.frozen
class Stopped:
    """The last message of a meeting whose session was closed before its end."""


WorkerMessage = SessionEvent | NeedAudio | Failed | Finished | Stopped

_KINDS: dict[str, type[WorkerMessage]] = {
    kind.__name__: kind
    for kind in (
        SpeechStarted,
        SpeechEnded,
        Hypothesis,
        Recognized,
        NoMatch,
        Progress,
        Origin,
        NeedAudio,
        Failed,
        Finished,
        Stopped,
    )
}


class _Header(msgspec.Struct):
    kind: str


def encode(session: int, message: WorkerMessage) -> str:
    """Return one line of ASCII, including its end: the session's number and the message."""
    # ASCII, because the encoding of the worker's standard output depends on the system.
    text = json.dumps({"kind": type(message).__name__, **attrs.asdict(message)})
    return f"{session} {text}\n"


def decode(line: bytes) -> tuple[int, WorkerMessage]:
    """Read a line; return the number of its session, and the message.

    Raises:
        BackendError: the line is no message, for example because the process died in it.
    """
    number, _, text = line.partition(b" ")
    if not number.isdigit() or len(number) > _LONGEST_NUMBER:
        raise _unreadable()
    try:
        header = msgspec.json.decode(text, type=_Header)
        message: WorkerMessage = msgspec.json.decode(text, type=_KINDS[header.kind])
    except (ValueError, KeyError, RecursionError):
        # "from None": the parser's message may quote the transcript.
        raise _unreadable() from None
    return int(number), message


def _unreadable() -> BackendError:
    return BackendError(
        "The speech engine's process sent a message that cannot be read, probably because it"
        " crashed. A stored meeting is not lost: ask for it by its id. Otherwise start the"
        " meeting again."
    )
