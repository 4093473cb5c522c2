"""What an inspection of a meeting store finds, without a change to it."""

from __future__ import annotations

from pathlib import Path

import attrs

__all__ = ["Inspection"]


@attrs.frozen
class Inspection:
    """The condition of a meeting store.

    Attributes:
        database: the file of the database.
        version: the version of its format; 0 for a file without tables.
        known: the version that this program writes.
        damage: what is damaged; empty if the database is whole.
        recordings: how many recordings it has, deleted ones too.
        unfinished: how many of them are not final.
        orphans: names of audio files, and of files next to them, that belong to no recording.
        missing: ids of meetings that cannot be processed, because their audio is missing.
        set_aside: damaged databases that were put aside earlier.
    """

    database: Path
    version: int = 0
    known: int = 0
    damage: str = ""
    recordings: int = 0
    unfinished: int = 0
    orphans: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    set_aside: tuple[Path, ...] = ()
