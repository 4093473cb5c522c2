"""A comparison as one HTML page, side by side; it needs no other file, network or script.

Transcripts may contain anything, so all text is escaped, and the page's policy permits the style
in the page by its digest and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from speech_adapters.comparison.comparing import METRICS, Comparison, Side
from speech_adapters.comparison.report import describe, times_note
from speech_adapters.comparison.rows import Line, Row
from speech_adapters.export.html_pages import VOICES, fill_page
from speech_adapters.export.lines import format_offset, one_line

__all__ = ["render_comparison"]

_NAMES: Final = {
    "wer": "WER: words, without regard to speakers",
    "cpwer": "cpWER: words at the right speaker",
    "der": "DER: who spoke when",
}
_NORMALIZED: Final = (
    "Words are compared without case and punctuation. Hyphens divide words, and numbers stay as"
    " they are written."
)
_AS_WRITTEN: Final = "Words are compared as they are written, with case and punctuation."
_RULES: Final = (
    "The marks are those of cpWER: the words of each pair of speakers are aligned as a whole. So a"
    " word at the wrong speaker is marked on both sides."
)


def render_comparison(comparison: Comparison, rows: Sequence[Row]) -> str:
    """Return the page.

    Args:
        comparison: the figures.
        rows: the utterances, see :func:`speech_adapters.comparison.rows.line_up`.
    """
    names = (comparison.reference.name, comparison.candidate.name)
    return fill_page(
        "speech_adapters.comparison",
        escape(f"Comparison of {one_line(names[0])} and {one_line(names[1])}"),
        figures="".join(_figure(comparison, metric) for metric in METRICS),
        sides="\n".join(_sides(comparison)),
        body="\n".join(map(_row, rows)),
        differing=sum(row.differs for row in rows),
        rows=len(rows),
        rules=f"{_NORMALIZED if comparison.normalized else _AS_WRITTEN} {_RULES}",
    )


def _figure(comparison: Comparison, metric: str) -> str:
    known = comparison.rate(metric) is not None
    rate, _, detail = describe(comparison, metric).partition("%  " if known else ": ")
    return (
        f'<div class="card"><dt>{_NAMES[metric]}</dt>'
        f'<dd class="rate">{rate.strip()}{"%" if known else ""}</dd>'
        f'<dd class="detail">{escape(detail)}</dd></div>'
    )


def _sides(comparison: Comparison) -> Iterator[str]:
    sides = (comparison.reference, comparison.candidate)
    yield _fact("Format", [f"{side.format}; {times_note(side)}" for side in sides])
    yield _fact("Words", [str(side.words) for side in sides])
    yield _fact("Speech", [_speech(side) for side in sides])
    for number, pair in enumerate(comparison.mapping):
        cells = "".join(
            f'<td class="voice-{number % VOICES}">{_label(label)}</td>'
            for label in (pair.reference, pair.candidate)
        )
        yield f'<tr><th scope="row">Speaker {number + 1}</th>{cells}</tr>'


def _speech(side: Side) -> str:
    return f"{side.speech:.1f} s, {len(side.speakers)} speakers"


def _label(label: str | None) -> str:
    if label is None:
        return "none"
    return f'<span class="speaker" dir="auto">{escape(one_line(label))}</span>'


def _fact(title: str, texts: Sequence[str]) -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    return f'<tr><th scope="row">{title}</th>{cells}</tr>'


def _row(row: Row) -> str:
    same = "" if row.differs else ' class="same"'
    return (
        f'<tr{same}><th scope="row">{format_offset(row.offset)}</th>'
        f"{_cell(row.reference, 'Reference', 'del')}{_cell(row.candidate, 'Candidate', 'ins')}</tr>"
    )


def _cell(lines: Sequence[Line], side: str, mark: str) -> str:
    return f'<td data-side="{side}">{"".join(_line(line, mark) for line in lines)}</td>'


def _line(line: Line, mark: str) -> str:
    text = " ".join(
        f"<{mark}>{escape(piece)}</{mark}>" if differs else escape(piece)
        for piece, differs in line.pieces
    )
    return (
        f'<div class="line voice-{line.voice % VOICES}">{_label(line.label)}'
        f'<p dir="auto">{text}</p></div>'
    )
