"""The messages of a recognizer, without the SDK's own types.

Offsets and durations are ticks.  Offsets count from the first audio that this recognizer
received; :mod:`speech_adapters.speech_sdk.normalizer` makes them offsets of the
recording.
"""

from __future__ import annotations

import attrs

from speech_adapters.errors import SpeechError
from speech_adapters.transcript import Word

__all__ = [
    "Completed",
    "Failed",
    "FinalResult",
    "PartialResult",
    "RecognizerMessage",
    "SpeechBoundary",
]


@attrs.frozen
class FinalResult:
    """A final result; ``text`` is empty when nothing was understood.

    Attributes:
        text: display text.
        offset: start.
        duration: length.
        label: the service's label of the speaker, such as ``Guest-1``; may be empty.
        language: BCP-47 tag, or empty when the service did not detect it.
        words: word timings, if requested.
        no_match: why nothing was understood, see :class:`speech_adapters.contract.NoMatch`;
            empty if something was.
        id: the service's id of the result, which its hypotheses have too; may be empty.
    """

    text: str
    offset: int
    duration: int
    label: str = ""
    language: str = ""
    words: tuple[Word, ...] = ()
    no_match: str = ""
    # Not compared: a service may send the same result again under another id.
    id: str = attrs.field(default="", eq=False)

    @property
    def end(self) -> int:
        """End of the result."""
        return self.offset + self.duration


@attrs.frozen
class PartialResult:
    """An utterance that is still being spoken; see :class:`FinalResult`."""

    text: str
    offset: int
    duration: int
    label: str = ""
    id: str = attrs.field(default="", eq=False)


@attrs.frozen
class SpeechBoundary:
    """Speech starts (``started``) or ends at ``offset``."""

    started: bool
    offset: int


@attrs.frozen
class Completed:
    """All audio that was sent has been recognized; the last message."""


@attrs.frozen
class Failed:
    """Recognition failed before the end of the audio; the last message."""

    error: SpeechError


RecognizerMessage = FinalResult | PartialResult | SpeechBoundary | Completed | Failed
