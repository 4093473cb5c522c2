"""The report of a backlog as one HTML page that needs no other file, no network and no server.

Names of files and messages may contain anything, so all text is escaped, and the page's policy
permits only the style and the script that are in the page, by their digests.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

import attrs

from speech_adapters.backlog.items import Item, ItemState
from speech_adapters.backlog.journal import Journal
from speech_adapters.export.html_pages import fill_page
from speech_adapters.export.lines import format_offset, one_line

__all__ = ["write_page"]

# Where the list is in the page; no text contains it, since all are escaped.
_HERE: Final = "<rows>"
_NAMES: Final = {
    ItemState.COMPLETED: "transcribed",
    ItemState.FAILED: "failed",
    ItemState.INVALID: "invalid",
    ItemState.DUPLICATE: "duplicate",
    ItemState.RECORDED: "in flight",
    ItemState.WAITING: "waiting",
}
_BAD: Final = (ItemState.FAILED, ItemState.INVALID)


def write_page(journal: Journal) -> Iterator[str]:
    """Yield the page in parts, at constant memory; what failed is at the top."""
    counts = attrs.asdict(journal.counts())
    before, _, after = fill_page(
        "speech_adapters.backlog",
        escape(f"Backlog {journal.name}"),
        about=_about(journal),
        figures="".join(_figure(name, counts[state.value]) for state, name in _NAMES.items()),
        states="".join(
            f'<option value="{state.value}">{name}</option>' for state, name in _NAMES.items()
        ),
        rows=_HERE,
    ).partition(_HERE)
    yield before
    for state in (*_BAD, *(state for state in ItemState if state not in _BAD)):
        for item in journal.items(state):
            yield _row(journal, item)
    yield after


def _about(journal: Journal) -> str:
    length = format_offset(journal.completed_ticks())
    manifest = escape(one_line(journal.fact("manifest")))
    return f'<li dir="auto">{manifest}</li><li>{length} of audio transcribed</li>'


def _figure(name: str, count: int) -> str:
    return f'<div class="card"><dt>{name}</dt><dd>{count:,}</dd></div>'


def _row(journal: Journal, item: Item) -> str:
    bad = ' class="bad"' if item.state in _BAD else ""
    length = "" if item.duration is None else format_offset(item.duration)
    notes = [item.id, item.title, item.reason]
    if item.original is not None and (original := journal.get(item.original)):
        notes.append(f"The same content as {original.source}")
    details = "".join(f'<p dir="auto">{escape(one_line(note))}</p>' for note in notes if note)
    return (
        f'<tr data-state="{item.state.value}"><td>{item.line}</td>'
        f'<td dir="auto">{escape(one_line(item.source))}{details}</td>'
        f"<td{bad}>{_NAMES[item.state]}</td><td>{length}</td></tr>\n"
    )
