"""DER, the diarization error rate, by pyannote.metrics; overlapping speech counts."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import attrs

from speech_adapters.comparison.alignment import Pair

__all__ = ["DiarizationErrors", "Turn", "score_turns"]


class Turn(NamedTuple):
    """Speech of one speaker, from ``start`` to ``end`` in seconds."""

    label: str
    start: float
    end: float


@attrs.frozen
class DiarizationErrors:
    """Times in seconds; of overlapping speech, the time of each speaker counts.

    Attributes:
        speech: speech in the reference that is scored.
        missed: speech that the candidate has not.
        false_alarm: speech that the reference has not.
        confused: speech of another speaker.
    """

    speech: float
    missed: float
    false_alarm: float
    confused: float

    @property
    def rate(self) -> float:
        """The share of errors in the speech of the reference, which has some."""
        return (self.missed + self.false_alarm + self.confused) / self.speech


def score_turns(
    reference: Sequence[Turn], candidate: Sequence[Turn], length: float, collar: float
) -> tuple[DiarizationErrors, list[Pair]]:
    """Return the errors, and the mapping of the speakers with which they are the fewest.

    Args:
        reference: the true turns.
        candidate: the turns to score.
        length: length of the recording in seconds.
        collar: seconds around each boundary of the reference that do not count, on each side.
    """
    core = import_module("pyannote.core")
    metrics = import_module("pyannote.metrics.diarization")
    # The library counts the collar as the sum of both sides.
    metric = metrics.DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    scored = core.Timeline([core.Segment(0, length)])
    found = [_annotation(core, turns) for turns in (reference, candidate)]
    parts = metric(*found, uem=scored, detailed=True)
    # From the candidate's labels to those of the reference.
    mapped: dict[str, str] = metric.optimal_mapping(*found, uem=scored)
    return (
        DiarizationErrors(
            float(parts["total"]),
            float(parts["missed detection"]),
            float(parts["false alarm"]),
            float(parts["confusion"]),
        ),
        _pairs(reference, candidate, {one: other for other, one in mapped.items()}),
    )


def _annotation(core: Any, turns: Sequence[Turn]) -> Any:
    annotation = core.Annotation()
    for number, turn in enumerate(turns):
        if turn.end > turn.start:
            annotation[core.Segment(turn.start, turn.end), number] = turn.label
    return annotation


def _pairs(
    reference: Sequence[Turn], candidate: Sequence[Turn], mapped: dict[str, str]
) -> list[Pair]:
    pairs = [Pair(label, mapped.get(label)) for label in dict.fromkeys(t.label for t in reference)]
    rest = dict.fromkeys(turn.label for turn in candidate)
    return pairs + [Pair(None, label) for label in rest if label not in mapped.values()]
