"""The utterances and the end of a meeting.

A loopback service plays them to the real SDK, and a scripted backend to the facade.
"""

from __future__ import annotations

import attrs

__all__ = ["ENDS", "PHRASES", "Phrase", "Scenario"]


@attrs.frozen
class Phrase:
    """One utterance: offset and duration in ticks of 100 ns, speaker 0-based."""

    text: str
    offset: int
    duration: int
    speaker: int | None
    hypotheses: tuple[str, ...] = ()


PHRASES = (
    Phrase("Good morning, Steve.", 5_000_000, 10_000_000, None, ("good", "good morning")),
    Phrase("Good morning, Katie.", 20_000_000, 12_000_000, 1, ("good morning",)),
    Phrase("Ünïcode and “quotes”.", 35_000_000, 5_000_000, 0),
)

# normal: the audio ends; early: the program stops before the end; the others are faults of
# the connection or of the answers.
ENDS = ("normal", "early", "refused", "unauthorized", "bad-request", "malformed")


@attrs.frozen
class Scenario:
    """Phrases, then an end; errors come after the phrases, except at the handshake."""

    end: str = "normal"
    phrases: tuple[Phrase, ...] = PHRASES
