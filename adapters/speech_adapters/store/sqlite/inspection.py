"""The inspection of a store in an SQLite file, which is opened to read only."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs

from speech_adapters.errors import StoreError
from speech_adapters.store.files import recording_files
from speech_adapters.store.inspection import RECORDS, Inspection
from speech_adapters.store.sqlite.database import DAMAGED, connect_to_read
from speech_adapters.store.sqlite.schema import SCHEMA_VERSION

__all__ = ["inspect"]

# Above it the indexes are not compared with the tables, which takes minutes.
_LARGE_BYTES: Final = 512 * 1024 * 1024


def inspect(database: Path) -> Inspection:
    """Return the condition of the store in a file, which exists.

    Raises:
        StoreError: the file cannot be read.
    """
    found = Inspection(
        database,
        audio=database.parent / "audio",
        known=SCHEMA_VERSION,
        set_aside=tuple(sorted(database.parent.glob(f"{database.name}.corrupt-*Z*"))),
    )
    logged = _is_logged(database)
    read = _read(database, found)
    # A file without a log is read as one that never changes; if a program has begun to write
    # meanwhile, what was read may look damaged.
    return _read(database, found) if read.damage and _is_logged(database) != logged else read


def _read(database: Path, found: Inspection) -> Inspection:
    # Before the records: a recording has its record before its file.
    files = recording_files(found.audio)
    try:
        with closing(connect_to_read(database)) as connection:
            return _examine(connection, database, found, files)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            return attrs.evolve(found, damage=str(error))
        raise StoreError(
            f"The meeting store {found.database} cannot be read: {error}. Check its permissions,"
            " and whether another program keeps it locked."
        ) from error


def _examine(
    connection: sqlite3.Connection, database: Path, found: Inspection, files: dict[str, set[str]]
) -> Inspection:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    large = database.stat().st_size > _LARGE_BYTES
    pragma = "quick_check" if large else "integrity_check"
    verdict = str(connection.execute(f"PRAGMA {pragma}(1)").fetchone()[0])
    if verdict != "ok":
        found = attrs.evolve(found, damage=verdict.splitlines()[-1])
    if found.damage or version != SCHEMA_VERSION:
        return attrs.evolve(found, version=version)
    rows = connection.execute(RECORDS).fetchall()
    return attrs.evolve(found, version=version).compared(rows, files)


def _is_logged(database: Path) -> bool:
    return Path(f"{database}-wal").exists()
