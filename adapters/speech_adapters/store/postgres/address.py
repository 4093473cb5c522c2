"""The address of a database: how to connect, and how messages name it without the password."""

from __future__ import annotations

from typing import Any, Final

import attrs
import psycopg
from psycopg.conninfo import conninfo_to_dict

from speech_adapters.errors import StoreError

__all__ = ["Address"]

# Used where the address has none of its own.  The keepalives and timeouts let a client notice
# within half a minute that a server is gone without a word; libpq would wait for two hours.
_DEFAULTS: Final = {
    "application_name": "speech-compat",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",  # milliseconds
    # Of several hosts the one that can be written: after a failover this is another.
    "target_session_attrs": "read-write",
}
_SCHEMA: Final = "speech_compat"


@attrs.frozen
class Address:
    """Where a database is.

    Attributes:
        name: the database and its server, for messages; without user and password.
        parameters: what libpq needs to connect.
    """

    name: str
    parameters: dict[str, Any] = attrs.field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read the address ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...``.

        Raises:
            StoreError: it is no valid address.
        """
        try:
            given = conninfo_to_dict(url)
        except psycopg.Error:  # its text quotes the address, password included
            raise StoreError(
                "The setting store.url is no valid address of a PostgreSQL database:"
                " postgresql://USER:PASSWORD@HOST:PORT/DATABASE is expected, with special"
                " characters of the password written as %XX."
            ) from None
        hosts = str(given.get("host") or "localhost").split(",")
        ports = str(given.get("port") or "5432").split(",")
        places = [f"{host}:{ports[min(n, len(ports) - 1)]}" for n, host in enumerate(hosts)]
        name = f"PostgreSQL database {given.get('dbname') or 'of the user'} on {', '.join(places)}"
        return cls(name, {**_DEFAULTS, **given, "client_encoding": "UTF8"})

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a new connection, on which each statement is a transaction of its own.

        Raises:
            psycopg.Error: the server cannot be reached, or refuses.
        """
        connection = psycopg.connect(**self.parameters, autocommit=True)
        try:
            # Tables of the same names may be elsewhere in the database.
            connection.execute(f"SET search_path TO {_SCHEMA}")
        except BaseException:
            connection.close()
            raise
        return connection
