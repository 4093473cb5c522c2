"""The report of a backlog as JSON, one recording after the other, at constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import attrs

from speech_adapters.backlog.items import Item, ItemState
from speech_adapters.backlog.journal import Journal
from speech_adapters.backlog.runner import meeting_prefix
from speech_adapters.transcript import replace_surrogates, seconds

__all__ = ["REPORT_VERSION", "describe", "status_document", "write_report"]

REPORT_VERSION: Final = 1


def status_document(journal: Journal) -> dict[str, Any]:
    """Return the numbers of a backlog, for JSON."""
    return {
        "format": "speech-compat backlog",
        "version": REPORT_VERSION,
        "name": journal.name,
        "manifest": journal.fact("manifest"),
        "counts": attrs.asdict(journal.counts()),
        "transcribed_seconds": seconds(journal.completed_ticks()),
    }


def describe(journal: Journal, item: Item) -> dict[str, Any]:
    """Return what a report has of a recording, for JSON."""
    original = None if item.original is None else journal.get(item.original)
    return {
        "line": item.line,
        "source": item.source,
        "id": item.id,
        "title": item.title,
        "state": item.state.value,
        "reason": item.reason,
        "duplicate_of": None if original is None else original.source,
        "meeting_id": meeting_prefix(journal.name) + item.key if _has_meeting(item) else None,
        "language": item.language,
        "speakers": item.speakers,
        "seconds": None if item.duration is None else seconds(item.duration),
        "bytes": item.size,
        "attempts": item.attempts,
        "ended": item.ended or None,
    }


def write_report(journal: Journal) -> Iterator[str]:
    """Yield the report in parts: the numbers, and each recording in a line of its own."""
    head = json.dumps(status_document(journal), ensure_ascii=False, indent=2)
    yield replace_surrogates(head.removesuffix("\n}")) + ',\n  "items": ['
    separator = "\n    "
    for item in journal.items():
        text = json.dumps(describe(journal, item), ensure_ascii=False)
        yield separator + replace_surrogates(text)
        separator = ",\n    "
    yield "\n  ]\n}\n"


def _has_meeting(item: Item) -> bool:
    without = (ItemState.WAITING, ItemState.INVALID)
    return bool(item.key) and item.state not in without
