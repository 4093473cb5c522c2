"""What worker and session say to each other: one JSON document a line.

The worker says events, ``Idle`` when it waits for audio, and ``Failed`` or
``Done`` at the end.  The session says ``more`` to an idle worker and ``end SIZE``
when no more audio will come.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from speech_adapters.contract import (
    Hypothesis,
    Progress,
    Recognized,
    SessionEvent,
    SpeechEnded,
    SpeechStarted,
)
from speech_adapters.transcript import Utterance, Word

__all__ = ["Done", "Failed", "Idle", "Said", "decode", "encode"]


@attrs.frozen
class Idle:
    """All audio up to ``size`` bytes has been taken; waiting for more."""

    size: int


@attrs.frozen
class Failed:
    """The worker gives up, for ``reason``."""

    reason: str


@attrs.frozen
class Done:
    """All is said."""


Said = SessionEvent | Idle | Failed | Done

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (SpeechStarted, SpeechEnded, Hypothesis, Recognized, Progress, Idle, Failed, Done)
}


def encode(said: Said) -> str:
    """Write one line, with its end."""
    return json.dumps({"kind": type(said).__name__, **attrs.asdict(said)}) + "\n"


def decode(line: str) -> Said:
    """Read one line."""
    data = json.loads(line)
    kind = _KINDS[data.pop("kind")]
    if "utterance" in data:
        inner = data["utterance"]
        words = tuple(Word(**word) for word in inner["words"])
        data["utterance"] = Utterance(**{**inner, "words": words})
    said: Said = kind(**data)
    return said
