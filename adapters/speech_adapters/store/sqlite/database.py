"""The SQLite file under the meeting store: opening, errors, damage.

Everything here is about one file shared by several threads and processes;
what the rows mean is in :mod:`speech_adapters.store`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import filelock

from speech_adapters.errors import StoreCorruptError, StoreError
from speech_adapters.open_files import advice, is_limit_reached
from speech_adapters.store.sqlite.schema import SCHEMA_VERSION, migrate

__all__ = ["DAMAGED", "Database", "connect_to_read"]

_WAIT_SECONDS: Final = 30.0
# A writer that waits keeps the other threads of this process waiting for the first time,
# and lets them proceed for the second, in turns.
_TURN_SECONDS: Final = 0.1
_YIELD_SECONDS: Final = 0.01
# After a crash, reading every page finds damage before a new meeting is added to it; in a
# large file that would take longer than it is worth, and doctor does it.
_CHECKED_BYTES: Final = 32 * 1024 * 1024
DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_Identity = tuple[int, int]


class Database:
    """One connection to one file, for all threads of this process.

    Attributes:
        read_only: whether the file is only read, because its folder cannot be written.

    Raises:
        StoreError: the file cannot be used, or a newer version wrote it.
        StoreCorruptError: it was damaged and has been put aside, here or in any
            later call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: _Identity | None = None
        # Not even a lock can be created next to the file then.
        self.read_only = path.is_file() and not os.access(path.parent, os.W_OK)
        try:
            with self._errors():
                if self.read_only:
                    self._open_to_read()
                else:
                    with self._alone():
                        self._open()
        except BaseException:
            self.close()
            raise

    @property
    def usable(self) -> bool:
        """Whether it is open, and the file is still the one that was opened."""
        return self._connection is not None and _identity(self.path) == self._identity

    @contextmanager
    def transaction(self, wait: float | None = None) -> Iterator[sqlite3.Connection]:
        """Run statements that take effect together or not at all; one writer at a time.

        Args:
            wait: seconds to wait while another process writes; ``None`` for 30.
        """
        deadline = time.monotonic() + (_WAIT_SECONDS if wait is None else wait)
        while True:
            left = deadline - time.monotonic()
            # Locked again for each try, so that other threads read while this one waits.
            with self._guard, self._errors():
                connection = self._live()
                if _begin(connection, min(max(left, 0.0), _TURN_SECONDS), last=left <= 0):
                    with _ended(connection):
                        yield connection
                    return
            time.sleep(_YIELD_SECONDS)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one reading statement and return all its rows."""
        with self._guard, self._errors():
            return self._live().execute(statement, values).fetchall()

    def forget(self) -> None:
        """Empty the write-ahead log, so that deleted text is not left in it.

        Done as well as it can be: another process may be reading just now.
        """
        with self._guard, self._errors():
            self._live().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the connection.  Idempotent."""
        with self._guard:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _open(self) -> None:
        with suppress(FileExistsError):
            # EXCL: opening and closing an existing file here would drop the
            # locks which SQLite holds on it for other threads of this process.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._identity = _identity(self.path)
        # The last program that closes the file removes its log.
        if Path(f"{self.path}-wal").exists():
            self._check_unless_used()
        self._connection = _connect(self.path)
        self._connection.text_factory = _decode
        _prepare(self._connection, self.path)

    def _check_unless_used(self) -> None:
        """Check the file, whose last program died, unless another program uses it."""
        # The connection of this object, so that damage is handled as any other.
        self._connection = probe = _connect(self.path, timeout=0.0)
        probe.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            probe.execute("SELECT 1 FROM sqlite_schema").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            _check(probe, self.path)
        # It cannot leave the exclusive mode.
        probe.close()

    def _open_to_read(self) -> None:
        self._identity = _identity(self.path)
        self._connection = connect_to_read(self.path)
        version = _version(self._connection, self.path)
        if version < SCHEMA_VERSION:
            raise StoreError(
                f"The meeting store {self.path} has an earlier format ({version}, needed is"
                f" {SCHEMA_VERSION}) and cannot be written: open it once where it can be."
            )

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"The meeting store {self.path} is closed.")
        if _identity(self.path) != self._identity:
            # SQLite would go on writing into a file that has no name any more.
            raise StoreError(
                f"The meeting store {self.path} was moved or deleted while in use:"
                " restart the program."
            )
        if self.read_only:
            # Anew for each call: a writer elsewhere may have started or ended since.
            self._connection.close()
            self._connection = connect_to_read(self.path)
        return self._connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from opening, creating or renaming the file meanwhile."""
        lock = filelock.FileLock(f"{self.path}.lock", _WAIT_SECONDS, 0o600, thread_local=False)
        with lock:
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # The code's low byte is the kind of error, the rest its detail.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
                raise self._put_aside(error) from error
            raise _unusable(self.path, str(error), _cause(error)) from error
        except filelock.Timeout as error:
            raise _unusable(self.path, "another process keeps it locked") from error
        except UnicodeEncodeError:  # its text would hold the value that was refused
            raise _unusable(self.path, "a text is not valid Unicode") from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", "") or str(error)
            raise _unusable(self.path, reason, error) from error

    def _put_aside(self, error: sqlite3.Error) -> StoreError:
        with self._guard:
            try:
                with self._alone():
                    aside = self._rename()
                    self.close()
            except (OSError, sqlite3.Error, filelock.Timeout) as failure:
                self.close()
                return StoreError(
                    f"The meeting store {self.path} is damaged ({error}) and could not be put"
                    f" aside ({failure}): move it away, then start again."
                )
        where = f"as {aside}" if aside else "by another process"
        return StoreCorruptError(
            f"The meeting store {self.path} was damaged ({error}) and has been put aside"
            f" {where}; nothing was deleted. Start again to begin with an empty store."
        )

    def _rename(self) -> Path | None:
        if _identity(self.path) != self._identity:
            return None
        aside = _free_name(self.path)
        # SQLite, closing a damaged file, would write to it and remove its log;
        # one that was renamed it leaves alone.  Windows renames no open file.
        if os.name == "nt":
            self.close()
        # The main file last: cut short, the next start finds it and repeats.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        return aside


def _begin(connection: sqlite3.Connection, wait: float, *, last: bool) -> bool:
    """Begin to write; return ``False`` if another process writes, or raise at the last try."""
    connection.execute(f"PRAGMA busy_timeout = {round(wait * 1000)}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(_WAIT_SECONDS * 1000)}")
    return True


@contextmanager
def _ended(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit the transaction at the end of the block, or undo it after an error."""
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


def _connect(path: Path, timeout: float = _WAIT_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that is not to be changed."""
    # A file whose log is not there is complete, but SQLite would still want to create one.
    complete = not Path(f"{path}-wal").exists()
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro{'&immutable=1' if complete else ''}",
        timeout=_WAIT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )
    connection.text_factory = _decode
    return connection


def _decode(text: bytes) -> str:
    # A text that is not UTF-8 would fail the whole list that it is in.
    return text.decode(errors="replace")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"The meeting store {path} was written by a newer version of speech-compat (format"
            f" {version}, known is {SCHEMA_VERSION}): install that version, or set"
            ' "state_dir" to another folder.'
        )
    return version


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the connection up, and bring the tables to this version."""
    version = _version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # Transcripts are personal data.  Set before the migration, which drops tables of them.
    connection.execute("PRAGMA secure_delete = ON")
    if version < SCHEMA_VERSION:
        # A damaged file is put aside as it was, not after half of it was rewritten.
        _check(connection, path)
        migrate(connection)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if path.stat().st_size > _CHECKED_BYTES:
        return
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict.splitlines()[-1])  # after a line of decoration
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _free_name(path: Path) -> Path:
    stem = f"{path}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    taken = {name.name for name in path.parent.iterdir()}
    candidates = (Path(stem if n == 0 else f"{stem}-{n}") for n in range(len(taken) + 1))
    return next(name for name in candidates if name.name not in taken)


def _cause(error: sqlite3.Error) -> Exception:
    """Return the error of the system that SQLite does not name, if there is one now."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return (is_limit_reached() if kind == sqlite3.SQLITE_CANTOPEN else None) or error


def _unusable(path: Path, reason: str, cause: Exception | None = None) -> StoreError:
    if isinstance(cause, OSError) and isinstance(cause.strerror, str):
        reason = cause.strerror
    otherwise = 'Check its disk and permissions, or set "state_dir" to another folder.'
    return StoreError(
        f"The meeting store {path} cannot be used: {reason}."
        f" {otherwise if cause is None else advice(cause, otherwise)}"
    )
