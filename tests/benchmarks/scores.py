"""Error rates of a transcript, by maintained libraries (the dependency group ``measure``).

* WER, word error rate, without punctuation and case; cpWER, the same with each word at the
  right speaker (both by meeteval).
* DER, diarization error rate, overlaps counted (by pyannote.metrics).  A collar of 0.25 s
  ignores that much on each side of a boundary in the reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib import import_module

from benchmarks.recordings import Turn

__all__ = ["diarization_error", "word_errors"]


def word_errors(
    reference: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]
) -> tuple[float, float]:
    """Return WER and cpWER of turns, each a speaker and a text."""
    meeteval = import_module("meeteval.wer").wer  # typed for its own documents only
    plain = [_words(" ".join(text for _, text in turns)) for turns in (reference, found)]
    by_speaker = [_by_speaker(turns) for turns in (reference, found)]
    return (
        float(meeteval.siso.siso_word_error_rate(*plain).error_rate),
        float(meeteval.cp.cp_word_error_rate(*by_speaker).error_rate),
    )


def diarization_error(
    reference: Iterable[Turn], found: Iterable[Turn], seconds: float, collar: float
) -> float:
    """Return the DER of a recording of ``seconds``.

    Args:
        reference: the true turns.
        found: the turns to score; the names of their speakers do not matter.
        seconds: length of the recording.
        collar: seconds around each boundary of the reference that do not count, each side.
    """
    core = import_module("pyannote.core")
    metrics = import_module("pyannote.metrics.diarization")
    # The library counts the collar as the sum of both sides.
    metric = metrics.DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    scored = core.Timeline([core.Segment(0, seconds)])
    annotations = [_annotation(core, turns) for turns in (reference, found)]
    return float(metric(*annotations, uem=scored))


def _annotation(core: object, turns: Iterable[Turn]) -> object:
    annotation = core.Annotation()  # type: ignore[attr-defined]
    for number, turn in enumerate(turns):
        if turn.end > turn.start:
            annotation[core.Segment(turn.start, turn.end), number] = turn.speaker  # type: ignore[attr-defined]
    return annotation


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower().replace("-", " ")).split())


def _by_speaker(turns: Iterable[tuple[str, str]]) -> dict[str, str]:
    spoken: dict[str, str] = {}
    for speaker, text in turns:
        spoken[speaker] = f"{spoken.get(speaker, '')} {_words(text)}".strip()
    return spoken
