"""A scenario as a script of the loopback speech service."""

from __future__ import annotations

from oracle.scenario import Scenario
from speech_adapters import LabelStyle
from speech_compat.testing.loopback import Line, Script

__all__ = ["script_of"]


def script_of(scenario: Scenario, labels: LabelStyle) -> Script:
    """Return the script of a scenario; ``labels`` spells the speakers."""
    lines = []
    for index, phrase in enumerate(scenario.phrases):
        speaker = labels.label(phrase.speaker)
        fields = {"UtteranceId": f"{index}_{speaker}_{phrase.offset}"}
        lines.append(
            Line(
                phrase.text,
                phrase.offset,
                phrase.duration,
                speaker,
                phrase.hypotheses,
                fields=fields,
            )
        )
    return Script(
        tuple(lines),
        refuse=401 if scenario.end == "unauthorized" else 0,
        close=1007 if scenario.end == "bad-request" else 0,
        malformed=scenario.end == "malformed",
    )
