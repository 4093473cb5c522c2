"""The PostgreSQL database under the meeting store: connections, errors, lost connections.

A server may be restarted, or be unreachable, at any time.  What was not committed then has not
happened, so it can be done again: :meth:`Database.retry` does.  If the connection is lost during
the commit, the server is asked afterwards whether the transaction was committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, TypeVar

import attrs
import psycopg

from speech_adapters.errors import StoreError
from speech_adapters.store.postgres.address import Address
from speech_adapters.store.postgres.schema import SCHEMA_VERSION, migrate, read_version

__all__ = ["Connection", "Database", "Transaction", "check_server", "reason_of"]

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

_WAIT_SECONDS: Final = 30.0
# A program that starts waits less: a wrong address must not look like a program that hangs.
_OPEN_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2
# The first with the transaction ids that survive a restart.
_OLDEST_SERVER: Final = 130000
# Of the SQLSTATE: the connection failed; the server is starting, stopping or was promoted;
# it has no free connection; it chose this transaction to end a deadlock.
_PASSING: Final = ("08", "57P", "53300", "25006", "40001", "40P01")
_CHECK: Final = "Check that the server runs, and the setting store.url."
# What a server refuses for good, as its messages state it: such an error has no SQLSTATE.
_REFUSALS: Final = ("authentication failed", "does not exist", "no pg_hba.conf", "certificate")


class _LostError(StoreError):
    """The connection was lost before anything was committed."""


@attrs.frozen
class Transaction:
    """An open transaction, which understands the statements of SQLite.

    Attributes:
        connection: its connection.
    """

    connection: Connection

    def execute(
        self, statement: str, values: Sequence[Any] = (), /
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run a statement; a row that it reads is kept from others until the end."""
        translated = _translated(statement)
        if statement.startswith("SELECT"):
            # SQLite has one writer at a time.  Here another could change the row meanwhile.
            translated += " FOR UPDATE"
        return self.connection.execute(translated.encode(), values)


class Database:
    """A bounded pool of connections to one database, for all threads of this process.

    The pool is our own: that of psycopg connects in threads of its own, and reports after a
    time-out only that there is no connection, but not why.

    Args:
        address: where the database is.
        connections: how many connections there are at most.

    Attributes:
        address: where the database is.
        on_begin: called at the beginning of each transaction; what it raises undoes it.

    Raises:
        StoreError: the server cannot be reached or refuses, or the format is a newer one.
    """

    read_only = False

    def __init__(self, address: Address, connections: int) -> None:
        self.address = address
        self.on_begin: Callable[[Transaction], None] = lambda _: None
        self._guard = threading.Lock()
        self._idle: list[Connection] = []
        self._free = threading.BoundedSemaphore(connections)
        self._closed = False
        try:
            self.retry(self._prepare, _OPEN_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        """Whether it is open: a connection that is lost is replaced."""
        return not self._closed

    def retry(self, function: Callable[[], T], wait: float = _WAIT_SECONDS) -> T:
        """Call a function that runs one transaction, again as long as connections are lost.

        Raises:
            StoreError: the server stays unreachable for ``wait`` seconds, or what the function
                raises.
        """
        deadline = time.monotonic() + wait
        while True:
            try:
                return function()
            except _LostError as error:
                if time.monotonic() >= deadline:
                    raise StoreError(str(error)) from error
                time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def transaction(self, wait: float | None = None) -> Iterator[Transaction]:
        """Run statements that take effect together or not at all.

        Args:
            wait: seconds to wait for a row that another process changes; ``None`` for 30.
        """
        with self._errors(), self._connection() as connection:
            try:
                number = _begin(connection, _WAIT_SECONDS if wait is None else wait)
                transaction = Transaction(connection)
                self.on_begin(transaction)
                yield transaction
            except BaseException:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise
            self._commit(connection, number)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one reading statement and return all its rows; again if the connection is lost."""
        # Here too, because a transcript is read after the call of the store has returned.
        return self.retry(lambda: self.rows_once(statement, *values))

    def rows_once(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Do the same, but do not wait for a server that is away."""
        with self._errors(), self._connection() as connection:
            return connection.execute(_translated(statement).encode(), values).fetchall()

    def forget(self) -> None:
        """Do nothing: the server removes replaced rows by itself, and keeps its log as set."""

    def close(self) -> None:
        """Close the connections; those in use when they are returned.  Idempotent."""
        self._closed = True
        self._drop_idle()

    def _prepare(self) -> None:
        with self._errors(), self._connection() as connection:
            check_server(connection, self.address)
            version = read_version(connection)
            if version < SCHEMA_VERSION:
                version = migrate(connection)
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"The meeting store in the {self.address.name} was written by a newer version"
                    f" of speech-compat (format {version}, known is {SCHEMA_VERSION}): install"
                    ' that version, or set "store.url" to another database.'
                )

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._free.acquire(timeout=_WAIT_SECONDS):
            raise self._unusable("all its connections are in use; set store.connections higher")
        try:
            connection = self._idle_one() or self.address.connect()
            try:
                yield connection
            finally:
                self._put_back(connection)
        finally:
            self._free.release()

    def _idle_one(self) -> Connection | None:
        with self._guard:
            if self._closed:
                raise StoreError(f"The meeting store in the {self.address.name} is closed.")
            return self._idle.pop() if self._idle else None

    def _put_back(self, connection: Connection) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._guard:
            if idle and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _drop_idle(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _commit(self, connection: Connection, number: str) -> None:
        try:
            connection.execute("COMMIT")
        except psycopg.OperationalError:
            # It may have been committed before the connection was lost.
            if not self._was_committed(number):
                raise

    def _was_committed(self, number: str) -> bool:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                with self.address.connect() as connection:
                    row = connection.execute(
                        "SELECT pg_xact_status(%s::text::xid8)", (number,)
                    ).fetchone()
                if row in (("committed",), ("aborted",)):
                    return row == ("committed",)
            except psycopg.errors.InvalidParameterValue:
                # A replica that took over without having received the transaction.
                return False
            except psycopg.OperationalError as error:
                if time.monotonic() >= deadline:
                    raise self._unusable(
                        "the connection was lost during a change, so it is unknown whether the"
                        " change was stored"
                    ) from error
            time.sleep(_PAUSE_SECONDS)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.LockNotAvailable as error:
            raise self._unusable("another process keeps it locked") from error
        except psycopg.Error as error:
            reason = reason_of(error)
            if _may_pass(error):
                # The others of the pool are most likely lost as well.
                self._drop_idle()
                raise _LostError(str(self._unusable(reason))) from error
            raise self._unusable(reason) from error
        except UnicodeEncodeError:  # its text would hold the value that was refused
            raise self._unusable("a text is not valid Unicode") from None

    def _unusable(self, reason: str, remedy: str = _CHECK) -> StoreError:
        return StoreError(
            f"The meeting store in the {self.address.name} cannot be used: {reason}. {remedy}"
        )


def _begin(connection: Connection, wait: float) -> str:
    """Begin a transaction; return its number, which is known to the server for a long time."""
    # One message to the server for the three statements.
    milliseconds = max(1, round(wait * 1000))
    script = f"BEGIN; SET LOCAL lock_timeout = {milliseconds}; SELECT pg_current_xact_id()::text"
    cursor = connection.execute(script.encode(), prepare=False)
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def check_server(connection: Connection, address: Address) -> None:
    """Check that a server is new enough, and that its database can hold all texts.

    Raises:
        StoreError: it is not.
    """
    if connection.info.server_version < _OLDEST_SERVER:
        raise StoreError(
            f"The server of the {address.name} is too old: PostgreSQL 13 or newer is needed."
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"The {address.name} has the encoding {encoding}, which cannot hold all texts: create"
            " one with ENCODING 'UTF8' TEMPLATE template0."
        )


def _may_pass(error: psycopg.Error) -> bool:
    """Return whether the same may succeed a little later."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(_PASSING)
    refused = any(part in str(error) for part in _REFUSALS)
    return isinstance(error, psycopg.OperationalError) and not refused


def reason_of(error: psycopg.Error) -> str:
    """Return what the server or the client states, in one line without values."""
    # Not the detail, which quotes values.
    text = error.diag.message_primary or str(error).strip().rstrip(".")
    return " ".join(text.split())


@cache
def _translated(statement: str) -> str:
    """Return a statement of SQLite in the words of PostgreSQL."""
    return (
        statement.replace("json_each(?)", "json_array_elements_text(?::json)")
        .replace("instr(", "strpos(")
        .replace("LIMIT ?", "LIMIT nullif(?, -1)")  # no limit
        .replace("?", "%s")
    )
