"""The inspection of a store in a PostgreSQL database, which is only read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
import psycopg

from speech_adapters.config import StoreOptions
from speech_adapters.errors import StoreError
from speech_adapters.store.files import recording_files
from speech_adapters.store.inspection import RECORDS, Inspection
from speech_adapters.store.postgres.address import Address
from speech_adapters.store.postgres.database import Connection, check_server, reason_of
from speech_adapters.store.postgres.schema import SCHEMA_VERSION, TABLES, read_version

__all__ = ["inspect"]

_RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")


def inspect(directory: Path, options: StoreOptions) -> Inspection:
    """Return the condition of the store in a database.

    Raises:
        StoreError: the server cannot be reached, refuses, or cannot be used.
    """
    address = Address.parse(options.url.get_secret_value())
    audio = options.audio_dir or directory.absolute() / "audio"
    # Before the records: a recording has its record before its file.
    files = recording_files(audio)
    try:
        with address.connect() as connection:
            check_server(connection, address)
            found = _examine(connection, Inspection(address.name, 0, SCHEMA_VERSION, audio=audio))
            if found.missing_rights or found.version != found.known:
                return found
            return found.compared(connection.execute(RECORDS).fetchall(), files)
    except psycopg.Error as error:
        raise StoreError(f"The {address.name} cannot be used: {reason_of(error)}.") from error


def _examine(connection: Connection, found: Inspection) -> Inspection:
    version = connection.info.parameter_status("server_version") or ""
    missing = _missing_rights(connection)
    encrypted = "with TLS" if connection.pgconn.ssl_in_use else "without TLS"
    return attrs.evolve(
        found,
        server=f"PostgreSQL {version.partition(' ')[0]}, {encrypted}",
        version=0 if missing else read_version(connection),
        missing_rights=missing,
    )


def _missing_rights(connection: Connection) -> tuple[str, ...]:
    row = connection.execute(
        "SELECT to_regnamespace('speech_compat') IS NULL,"
        " has_database_privilege(current_database(), 'CREATE')"
    ).fetchone()
    if row is not None and row[0]:
        return () if row[1] else ("CREATE on the database, to create the schema speech_compat",)
    usage = connection.execute(
        "SELECT has_schema_privilege('speech_compat', 'USAGE')",
    ).fetchone()
    if usage is not None and not usage[0]:
        return ("USAGE on the schema speech_compat",)
    rows = connection.execute(
        "SELECT a_right || ' on speech_compat.' || relname FROM pg_class,"
        " unnest(%s::text[]) AS a_right WHERE relnamespace = 'speech_compat'::regnamespace"
        " AND relname = ANY(%s) AND NOT has_table_privilege(pg_class.oid, a_right) ORDER BY 1",
        (list(_RIGHTS), list(TABLES)),
    ).fetchall()
    return tuple(text for (text,) in rows)
