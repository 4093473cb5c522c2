"""The tables of the meeting store, and the migrations from earlier versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from speech_adapters.store.sql.queries import GROUP
from speech_adapters.store.sqlite.version_1 import migrate_from_1

__all__ = ["SCHEMA_VERSION", "migrate"]

SCHEMA_VERSION: Final = 3

# Since version 3.  "replaces" is the recording that this one takes over, until it has its audio;
# "duration" (ticks) and "speakers" are those of the transcript.
_COLUMNS_3: Final = (
    "keep_audio INTEGER NOT NULL DEFAULT 0",
    "replaces TEXT NOT NULL DEFAULT ''",
    "duration INTEGER",
    "speakers INTEGER",
)
_INDEXES_3: Final = (
    f"CREATE INDEX recordings_by_group ON recordings ({GROUP}, number)",
    # Partial, as recordings_open is.
    "CREATE INDEX recordings_unfinished ON recordings (number)"
    " WHERE state IN ('Uploading', 'Processing')",
)

_TABLES: Final = (
    # "number" is the order of creation; "cleanup_after" is the Unix time after which the
    # backend of a deleted or completed recording may clean up at its service, or NULL.
    f"""
    CREATE TABLE recordings (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        meeting_id TEXT NOT NULL,
        backend TEXT NOT NULL,
        fallback TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        notes TEXT NOT NULL DEFAULT '[]',
        created TEXT NOT NULL,
        updated TEXT NOT NULL,
        request TEXT NOT NULL,
        audio_bytes INTEGER,
        attempts INTEGER NOT NULL DEFAULT 0,
        progress REAL,
        step TEXT NOT NULL DEFAULT '',
        backend_state TEXT NOT NULL DEFAULT '',
        next_poll REAL NOT NULL DEFAULT 0.0,
        cleanup_after REAL,
        {", ".join(_COLUMNS_3)}
    )
    """,
    "CREATE INDEX recordings_by_meeting ON recordings (meeting_id, number)",
    # Partial: the size of these two follows the work to be done, so a status query
    # costs the same however many finished meetings the store keeps.
    "CREATE INDEX recordings_open ON recordings (backend) WHERE state = 'Processing'",
    "CREATE INDEX recordings_to_clean ON recordings (cleanup_after)"
    " WHERE cleanup_after IS NOT NULL",
    *_INDEXES_3,
    """
    CREATE TABLE transcripts (
        recording_id TEXT PRIMARY KEY REFERENCES recordings (id),
        document_id TEXT NOT NULL,
        chunks INTEGER NOT NULL,
        header BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE transcript_chunks (
        recording_id TEXT NOT NULL REFERENCES recordings (id),
        document_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        utterances BLOB NOT NULL,
        PRIMARY KEY (recording_id, document_id, number)
    )
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of any earlier version, or an empty one, to :data:`SCHEMA_VERSION`.

    One transaction: a process killed within it leaves the file as it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read inside the transaction, which keeps every other writer out.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        while version < SCHEMA_VERSION:
            version = _MIGRATIONS[version](connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.rollback()
        raise


def _from_2(connection: sqlite3.Connection) -> int:
    for column in _COLUMNS_3:
        connection.execute(f"ALTER TABLE recordings ADD COLUMN {column}")
    for statement in _INDEXES_3:
        connection.execute(statement)
    return 3


def _create(connection: sqlite3.Connection) -> int:
    for statement in _TABLES:
        connection.execute(statement)
    return SCHEMA_VERSION


def _from_1(connection: sqlite3.Connection) -> int:
    migrate_from_1(connection, _TABLES)
    return SCHEMA_VERSION


# By the version that each begins with; each returns the version it made.
_MIGRATIONS: Final[Mapping[int, Callable[[sqlite3.Connection], int]]] = {
    0: _create,
    1: _from_1,
    2: _from_2,
}
