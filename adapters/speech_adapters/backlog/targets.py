"""The files that a backlog is exported to, one for each recording, at constant memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from speech_adapters.backlog.items import Item, ItemState
from speech_adapters.backlog.journal import Journal
from speech_adapters.backlog.manifest import is_address

__all__ = ["assign_targets"]


def assign_targets(journal: Journal, folder: Path, suffix: str) -> Iterator[tuple[Item, Path]]:
    """Yield each recording that has a transcript, with a file of its own below a folder.

    ``calls/a/x.wav`` becomes ``a/x.txt``, below the folder that all recordings have in common.
    Where two differ only in their suffix, the name has it too: ``a/x.wav.txt``.
    """
    base = _common_folder(journal)
    # Not a dictionary, which would grow with the backlog.
    names = sqlite3.connect("", isolation_level=None)
    try:
        names.execute("PRAGMA synchronous = OFF")
        names.execute("CREATE TABLE plain (name TEXT PRIMARY KEY, count INTEGER)")
        names.execute("CREATE TABLE used (name TEXT PRIMARY KEY)")
        names.execute("BEGIN")
        for item in _named(journal):
            names.execute(
                "INSERT INTO plain VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
                (_folded(_relative(item, base).with_suffix("")),),
            )
        for item in _named(journal):
            # Each recording takes its name, so that it has the same one once it is transcribed.
            name = _free(names, _relative(item, base))
            if _has_transcript(journal, item):
                yield item, folder / f"{name}.{suffix}"
    finally:
        names.close()


def _has_transcript(journal: Journal, item: Item) -> bool:
    """Return whether a recording, or the one that it is a duplicate of, is transcribed."""
    found = item if item.original is None else journal.get(item.original)
    return found is not None and found.state is ItemState.COMPLETED


def _named(journal: Journal) -> Iterator[Item]:
    """Yield the recordings that have a result of their own, transcribed or not yet."""
    for item in journal.items():
        if item.state is ItemState.INVALID:
            continue
        # A line that the manifest repeats has the result of the first one.
        original = None if item.original is None else journal.get(item.original)
        if original is None or original.source != item.source:
            yield item


def _common_folder(journal: Journal) -> str:
    common: str | None = None
    for item in _named(journal):
        if not is_address(item.source):
            parent = os.path.dirname(item.source)  # noqa: PTH120 - a text, for commonpath
            common = parent if common is None else _common(common, parent)
    return common or ""


def _common(one: str, other: str) -> str:
    try:
        return os.path.commonpath((one, other))
    except ValueError:  # several drives of Windows
        return ""


def _relative(item: Item, base: str) -> PurePosixPath:
    """Return the name of a recording below the folder of all of them."""
    if is_address(item.source):
        parts = urlsplit(item.source)
        path = PurePosixPath(parts.hostname or "address", unquote(parts.path).lstrip("/"))
    else:
        path = PurePosixPath(Path(os.path.relpath(item.source, base or "/")).as_posix())
    # An address may hold any text; no part of it leads out of the folder.
    kept = [part for part in path.parts if part not in ("..", ".", "/")]
    return PurePosixPath(*(part.replace("\\", "_").replace("\0", "_") for part in kept or ["none"]))


def _free(names: sqlite3.Connection, path: PurePosixPath) -> PurePosixPath:
    """Return a name that no other recording has; it is taken then."""
    plain = path.with_suffix("")
    row = names.execute("SELECT count FROM plain WHERE name = ?", (_folded(plain),)).fetchone()
    first = plain if row is not None and row[0] == 1 else path
    candidate, number = first, 1
    while not names.execute(
        "INSERT OR IGNORE INTO used VALUES (?)", (_folded(candidate),)
    ).rowcount:
        number += 1
        candidate = first.with_name(f"{first.name}-{number}")
    return candidate


def _folded(path: PurePosixPath) -> str:
    # Upper and lower case are one name on some file systems.
    return str(path).casefold()
