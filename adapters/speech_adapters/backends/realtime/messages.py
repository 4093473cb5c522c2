"""What the Speech SDK says, without the SDK's own types."""

from __future__ import annotations

import attrs

from speech_adapters.errors import SpeechError
from speech_adapters.transcript import Word

__all__ = ["Broken", "Final", "Guess", "Said", "SpeechEdge", "Stopped"]


@attrs.frozen
class Final:
    """A final result; ``text`` is empty where nothing was understood.

    Offsets are ticks from the first audio that this recogniser was given.
    """

    text: str
    offset: int
    duration: int
    label: str = ""
    language: str = ""
    words: tuple[Word, ...] = ()

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + self.duration


@attrs.frozen
class Guess:
    """What was understood so far."""

    text: str
    offset: int
    duration: int
    label: str = ""


@attrs.frozen
class SpeechEdge:
    """Speech begins (``started``) or ends at ``offset``."""

    started: bool
    offset: int


@attrs.frozen
class Stopped:
    """All that was given has been recognised."""


@attrs.frozen
class Broken:
    """It ended before that."""

    error: SpeechError


Said = Final | Guess | SpeechEdge | Stopped | Broken
