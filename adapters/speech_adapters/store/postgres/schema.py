"""The tables of the meeting store in PostgreSQL, and the migrations from earlier versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import psycopg

__all__ = ["SCHEMA_VERSION", "TABLES", "migrate", "read_version"]

# Not the version of the SQLite file: each database has its own history.
SCHEMA_VERSION: Final = 1
TABLES: Final = ("recordings", "transcripts", "transcript_chunks", "locks", "format")
# Any number that no other program is likely to lock.
_MIGRATION_LOCK: Final = 7_305_801_402_115_226

_Connection = psycopg.Connection[tuple[Any, ...]]

# The columns are described in ``store/sqlite/schema.py``.  The collation "C" orders texts by
# their code points, as SQLite does: a search for the beginning of an id depends on it.
_VERSION_1: Final[Sequence[LiteralString]] = (
    """
    CREATE TABLE recordings (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id text NOT NULL UNIQUE,
        meeting_id text COLLATE "C" NOT NULL,
        backend text NOT NULL,
        fallback text NOT NULL DEFAULT '',
        state text NOT NULL,
        reason text NOT NULL DEFAULT '',
        notes text NOT NULL DEFAULT '[]',
        created text COLLATE "C" NOT NULL,
        updated text NOT NULL,
        request text NOT NULL,
        audio_bytes bigint,
        attempts integer NOT NULL DEFAULT 0,
        progress double precision,
        step text NOT NULL DEFAULT '',
        backend_state text NOT NULL DEFAULT '',
        next_poll double precision NOT NULL DEFAULT 0.0,
        cleanup_after double precision,
        keep_audio boolean NOT NULL DEFAULT false,
        replaces text NOT NULL DEFAULT '',
        duration bigint,
        speakers integer
    )
    """,
    "CREATE INDEX recordings_by_meeting ON recordings (meeting_id, number)",
    "CREATE INDEX recordings_by_group ON recordings"
    " (substr(meeting_id, 1, strpos(meeting_id, '/')), number)",
    "CREATE INDEX recordings_open ON recordings (backend) WHERE state = 'Processing'",
    "CREATE INDEX recordings_unfinished ON recordings (number)"
    " WHERE state IN ('Uploading', 'Processing')",
    "CREATE INDEX recordings_to_clean ON recordings (cleanup_after)"
    " WHERE cleanup_after IS NOT NULL",
    """
    CREATE TABLE transcripts (
        recording_id text PRIMARY KEY REFERENCES recordings (id),
        document_id text NOT NULL,
        chunks integer NOT NULL,
        header bytea NOT NULL
    )
    """,
    """
    CREATE TABLE transcript_chunks (
        recording_id text NOT NULL REFERENCES recordings (id),
        document_id text NOT NULL,
        number integer NOT NULL,
        utterances bytea NOT NULL,
        PRIMARY KEY (recording_id, document_id, number)
    )
    """,
    # See the module leases.  "process" holds the lock, and "place" is its machine and folder.
    # "owner" is unique so that a transaction can keep it from being changed while "expires" is.
    """
    CREATE TABLE locks (
        name text PRIMARY KEY,
        owner text NOT NULL UNIQUE,
        process text NOT NULL,
        place text NOT NULL,
        seconds double precision NOT NULL,
        expires timestamptz NOT NULL
    )
    """,
    "CREATE TABLE format (version integer NOT NULL)",
    "INSERT INTO format VALUES (1)",
)
# By the version that each begins with.
_MIGRATIONS: Final[Mapping[int, Sequence[LiteralString]]] = {0: _VERSION_1}


def read_version(connection: _Connection) -> int:
    """Return the version of the format; 0 for a database without the store."""
    found = connection.execute("SELECT to_regclass('speech_compat.format') IS NOT NULL").fetchone()
    if found is None or not found[0]:
        return 0
    row = connection.execute("SELECT version FROM speech_compat.format").fetchone()
    return int(row[0]) if row else 0


def migrate(connection: _Connection) -> int:
    """Bring a database of any earlier version, or an empty one, to :data:`SCHEMA_VERSION`.

    One transaction: a process killed within it leaves the database as it was.

    Returns:
        The version that it has now, which is a later one if a newer program was faster.
    """
    with connection.transaction():
        # One process at a time; the others find the new version after it.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        version = read_version(connection)
        if version == 0:
            _create_schema(connection)
        while version < SCHEMA_VERSION:
            for statement in _MIGRATIONS[version]:
                connection.execute(statement)
            version += 1
            connection.execute("UPDATE format SET version = %s", (version,))
        return version


def _create_schema(connection: _Connection) -> None:
    # Even IF NOT EXISTS needs the right to create schemas, which a user of the store may lack.
    row = connection.execute("SELECT to_regnamespace('speech_compat') IS NULL").fetchone()
    if row is not None and row[0]:
        connection.execute("CREATE SCHEMA speech_compat")
