"""A comparison as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from speech_adapters.comparison.alignment import WordErrors
from speech_adapters.comparison.comparing import METRICS, Comparison, Side
from speech_adapters.comparison.diarization import DiarizationErrors
from speech_adapters.comparison.rows import Line, Row
from speech_adapters.export.lines import format_offset, one_line
from speech_adapters.transcript import replace_surrogates

__all__ = [
    "JSON_VERSION",
    "TITLES",
    "comparison_document",
    "describe",
    "format_report",
    "times_note",
]

JSON_VERSION: Final = 1
TITLES: Final = {"wer": "WER", "cpwer": "cpWER", "der": "DER"}
_TIMES: Final = {
    "turns": "of speaker turns",
    "words": "of words",
    "utterances": "of utterances only, so pauses in them count as speech",
    "none": "missing",
}


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON-ready data; docs/parity.md describes the fields."""
    return {
        "format": "speech-compat comparison",
        "version": JSON_VERSION,
        "reference": _side(comparison.reference),
        "candidate": _side(comparison.candidate),
        "normalized": comparison.normalized,
        "collar": comparison.collar,
        **{metric: _metric(comparison, metric) for metric in METRICS},
        "mapping": [attrs.asdict(pair) for pair in comparison.mapping],
    }


def format_report(comparison: Comparison, rows: Sequence[Row] = ()) -> str:
    """Return the figures as lines, and of ``rows`` those that differ."""
    lines = [
        _side_line("reference", comparison.reference),
        _side_line("candidate", comparison.candidate),
        "",
        *(f"{TITLES[metric]:<6} {describe(comparison, metric)}" for metric in METRICS),
        *_mapping(comparison),
    ]
    differing = [row for row in rows if row.differs]
    if differing:
        lines += ["", "Differences: [-only in the reference-] {+only in the candidate+}"]
        lines += [line for row in differing for line in ("", *_row(row))]
    return replace_surrogates("\n".join(lines)) + "\n"


def describe(comparison: Comparison, metric: str) -> str:
    """Return a metric in words."""
    if metric in comparison.missing:
        return f"not computed: {comparison.missing[metric]}"
    found = getattr(comparison, metric)
    if isinstance(found, WordErrors):
        return (
            f"{found.rate:7.2%}  {found.inserted} inserted, {found.deleted} deleted,"
            f" {found.substituted} substituted; the reference has {found.words} words"
        )
    assert isinstance(found, DiarizationErrors)
    return (
        f"{found.rate:7.2%}  {found.missed:.1f} s missed, {found.false_alarm:.1f} s false alarm,"
        f" {found.confused:.1f} s confused; the reference has {found.speech:.1f} s;"
        f" collar {comparison.collar:g} s"
    )


def times_note(side: Side) -> str:
    """Return what the times of a transcript are."""
    return f"times {_TIMES[side.times]}"


def _side(side: Side) -> dict[str, Any]:
    return {**attrs.asdict(side), "speakers": list(side.speakers)}


def _metric(comparison: Comparison, metric: str) -> dict[str, Any]:
    found = getattr(comparison, metric)
    if found is None:
        return {"rate": None, "reason": comparison.missing[metric]}
    return {"rate": found.rate, **attrs.asdict(found)}


def _side_line(title: str, side: Side) -> str:
    count = len(side.speakers)
    return (
        f"{title}  {one_line(side.name)} ({side.format}): {side.words} words,"
        f" {count} speaker{'' if count == 1 else 's'}, {side.speech:.1f} s; {times_note(side)}"
    )


def _mapping(comparison: Comparison) -> Iterator[str]:
    if comparison.mapping:
        yield ""
        yield "Speakers of the reference, and the same ones of the candidate:"
    for pair in comparison.mapping:
        left, right = (one_line(each or "(none)") for each in (pair.reference, pair.candidate))
        yield f"  {left} = {right}"


def _row(row: Row) -> Iterator[str]:
    yield f"[{format_offset(row.offset)}]"
    yield from (f"  - {_marked(line, '[-', '-]')}" for line in row.reference)
    yield from (f"  + {_marked(line, '{+', '+}')}" for line in row.candidate)


def _marked(line: Line, begin: str, end: str) -> str:
    pieces = (f"{begin}{text}{end}" if differs else text for text, differs in line.pieces)
    return f"{one_line(line.label)}: {' '.join(pieces)}"
