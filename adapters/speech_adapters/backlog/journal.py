"""The journal of a backlog: its recordings and their states, in a file of its own.

The meeting store knows what became of each recording, so the journal may lose its last changes in a
power cut: they are read from the store again.  It therefore does not wait for the disk.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.backlog.items import (
    Change,
    Counts,
    Entry,
    Estimate,
    Item,
    ItemState,
    Problem,
    meeting_key,
)
from speech_adapters.closeable import Closeable
from speech_adapters.errors import ConfigurationError, StoreError
from speech_adapters.store import Lock
from speech_adapters.store.locks import FileLock

__all__ = ["Journal", "journal_names", "journal_path", "lock_backlog"]

_VERSION: Final = 1
_WAIT_SECONDS: Final = 30.0
# Rows of one transaction, and of one page.
_ROWS: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SUFFIX: Final = ".db"
_TABLES: Final = (
    # "identity" is what a line of a manifest is recognized by in a later run; "pass" is the last
    # reading of the manifest that had it.
    """
    CREATE TABLE items (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        identity TEXT NOT NULL UNIQUE,
        pass INTEGER NOT NULL,
        line INTEGER NOT NULL,
        source TEXT NOT NULL,
        address TEXT NOT NULL DEFAULT '',
        stamp TEXT NOT NULL DEFAULT '',
        size INTEGER,
        id TEXT NOT NULL DEFAULT '',
        title TEXT NOT NULL DEFAULT '',
        language TEXT NOT NULL DEFAULT '',
        speakers INTEGER,
        key TEXT NOT NULL DEFAULT '',
        duration INTEGER,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        original INTEGER,
        retried INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        ended TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX items_by_state ON items (state, number)",
    "CREATE INDEX items_by_key ON items (key, number)",
    "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
_COLUMNS: Final = tuple(field.name for field in attrs.fields(Item))
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM items"  # noqa: S608
# A recording that is to begin anew, because its content is another one.
_ANEW: Final = (
    "key = '', duration = NULL, state = 'waiting', reason = '', original = NULL, retried = 0,"
    " attempts = 0, ended = ''"
)


def journal_path(state_dir: Path, name: str) -> Path:
    """Return the file of a backlog's journal.

    Raises:
        ConfigurationError: it cannot be the name of a backlog.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of a backlog: letters, digits, dots, hyphens and"
            " underscores, at most 64, beginning with a letter or digit."
        )
    return state_dir.absolute() / "backlogs" / f"{name}{_SUFFIX}"


def journal_names(state_dir: Path) -> list[str]:
    """Return the names of all backlogs, sorted."""
    folder = state_dir.absolute() / "backlogs"
    with suppress(OSError):
        return sorted(found.stem for found in folder.iterdir() if found.suffix == _SUFFIX)
    return []


def lock_backlog(state_dir: Path, name: str) -> Lock:
    """Lock a backlog, so that no other process runs or changes it; the lock ends with the process.

    Raises:
        MeetingBusyError: another process has locked it.
        StoreError: it cannot be locked.
    """
    folder = state_dir.absolute() / "locks"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"The folder {folder} cannot be created: {error.strerror}.") from error
    busy = f"The backlog {name} is being run by another process: wait until it ends, or end it."
    return FileLock(folder, f"backlog:{name}", busy)


class Journal(Closeable):
    """The recordings of one backlog.  Blocks; any thread may use it.

    Args:
        path: its file; see :func:`journal_path`.
        create: whether the file is created if it is missing.

    Raises:
        ConfigurationError: there is no such backlog.
        StoreError: from every call, if the file cannot be used.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._guard = threading.RLock()
        if not create and not path.is_file():
            raise ConfigurationError(
                f"There is no backlog {path.stem}: start one with speech-compat backlog run"
                ' MANIFEST, or check the setting "state_dir".'
            )
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                # Titles and addresses concern the user only.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    @property
    def name(self) -> str:
        """The name of the backlog."""
        return self.path.stem

    def close(self) -> None:
        """Close the file.  Idempotent."""
        with self._guard, self._errors():
            self._connection.close()

    def fact(self, name: str) -> str:
        """Return what was stored under a name; empty if there is nothing."""
        found = self._rows("SELECT value FROM about WHERE name = ?", name)
        return str(found[0][0]) if found else ""

    def store_fact(self, name: str, value: str) -> None:
        """Store a value under a name, in place of an earlier one."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def read(self, found: Iterable[Entry | Problem]) -> Iterator[int]:
        """Read a manifest into the journal; yields how many of its lines were read so far.

        A recording that the journal has keeps its state, unless its content may be another one.
        What the manifest has no more is removed, unless it was transcribed or is at the service.
        """
        (number,) = self._rows("SELECT coalesce(max(pass), 0) + 1 FROM items")[0]
        lines, count = iter(found), 0
        while page := list(islice(lines, _ROWS)):
            with self._transaction() as connection:
                for one in page:
                    _put(connection, one, number)
            count += len(page)
            yield count
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM items WHERE pass < ? AND state NOT IN ('recorded', 'completed')",
                (number,),
            )

    def problems(self, limit: int) -> list[Item]:
        """Return the first lines of the manifest that cannot be used."""
        return self._items("WHERE state = 'invalid' ORDER BY number LIMIT ?", limit)

    def unexamined(self) -> list[Item]:
        """Return some recordings whose content is not known yet."""
        return self._items(
            "WHERE state = 'waiting' AND key = '' ORDER BY number LIMIT ?", _ROWS // 2
        )

    def examined(self, found: Sequence[tuple[Item, str, int | None, str]]) -> None:
        """Store the content of recordings.

        Args:
            found: for each, what stands for its content, its length in ticks, and why it cannot
                be transcribed; empty if it can be.
        """
        with self._transaction() as connection:
            for item, content, duration, reason in found:
                key = meeting_key(content, item.language, item.speakers) if content else ""
                state = ItemState.FAILED if reason else ItemState.WAITING
                connection.execute(
                    "UPDATE items SET key = ?, duration = ?, state = ?, reason = ?, ended = ?"
                    " WHERE number = ?",
                    (key, duration, state.value, reason, _now() if reason else "", item.number),
                )

    def mark_duplicates(self) -> None:
        """Leave of all recordings of the same content the first one."""
        first = "SELECT min(number) FROM items AS o WHERE o.key = items.key AND o.key <> ''"
        with self._transaction() as connection:
            # A duplicate of what the manifest has no more is one no longer.
            connection.execute(
                "UPDATE items SET state = 'waiting', original = NULL WHERE state = 'duplicate'"
            )
            connection.execute(
                f"UPDATE items SET state = 'duplicate', original = ({first})"  # noqa: S608
                f" WHERE state = 'waiting' AND key <> '' AND number > ({first})"
            )

    def counts(self) -> Counts:
        """Return how many recordings are in each state."""
        rows = self._rows("SELECT state, count(*) FROM items GROUP BY state")
        return Counts(**dict(rows))

    def estimate(self) -> Estimate:
        """Return what is left to do."""
        size, duration, unknown = self._rows(
            "SELECT coalesce(sum(size), 0), coalesce(sum(duration), 0), sum(duration IS NULL)"
            " FROM items WHERE state = 'waiting'"
        )[0]
        return Estimate(self.counts(), size, duration, unknown or 0)

    def completed_ticks(self) -> int:
        """Return the length of all that was transcribed."""
        rows = self._rows("SELECT coalesce(sum(duration), 0) FROM items WHERE state = 'completed'")
        return int(rows[0][0])

    def page(self, state: ItemState | None, after: int = 0, limit: int = _ROWS) -> list[Item]:
        """Return the next recordings in the order of their numbers.

        Args:
            state: only those in this state; ``None`` for any.
            after: the number of the last one of the page before.
            limit: how many at most.
        """
        if state is None:
            return self._items("WHERE number > ? ORDER BY number LIMIT ?", after, limit)
        return self._items(
            "WHERE state = ? AND number > ? ORDER BY number LIMIT ?", state.value, after, limit
        )

    def items(self, state: ItemState | None = None) -> Iterator[Item]:
        """Yield all recordings, or those in one state, page by page."""
        after = 0
        while page := self.page(state, after):
            yield from page
            after = page[-1].number

    def get(self, number: int) -> Item | None:
        """Return one recording; ``None`` if the journal has it no more."""
        return next(iter(self._items("WHERE number = ?", number)), None)

    def apply(self, changes: Sequence[Change]) -> None:
        """Store new states of recordings, all in one transaction."""
        with self._transaction() as connection:
            for change in changes:
                final = change.state in (ItemState.COMPLETED, ItemState.FAILED)
                connection.execute(
                    "UPDATE items SET state = ?1, reason = ?2, ended = ?3, retried = ?7,"
                    " duration = coalesce(?4, duration), attempts = coalesce(?5, attempts),"
                    # A signed address is needed no more.
                    " address = CASE ?1 WHEN 'completed' THEN '' ELSE address END"
                    " WHERE number = ?6",
                    (
                        *(change.state.value, change.reason, _now() if final else ""),
                        *(change.duration, change.attempts, change.number, change.retried),
                    ),
                )

    def retry(self) -> int:
        """Have all failed recordings transcribed again; return how many they are."""
        with self._transaction() as connection:
            return connection.execute(
                "UPDATE items SET state = 'waiting', reason = '', ended = '', retried = 1,"
                " attempts = 0 WHERE state = 'failed'"
            ).rowcount

    def forget(self) -> None:
        """Remove what was replaced, such as signed addresses, from the disk, as far as possible."""
        with self._guard, self._errors():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def delete(self) -> None:
        """Close the journal and remove its file."""
        self.close()
        with self._errors():
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _prepare(self) -> None:
        connection = self._connection
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise StoreError(
                f"The journal {self.path} was written by a newer version of speech-compat: install"
                " that version."
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        if version < _VERSION:
            with self._transaction():
                # Read again: another process may have created it meanwhile.
                if not connection.execute("PRAGMA user_version").fetchone()[0]:
                    for statement in _TABLES:
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _items(self, condition: str, *values: object) -> list[Item]:
        return [_item(row) for row in self._rows(f"{_SELECT} {condition}", *values)]

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guard, self._errors():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guard, self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "strerror", "") or error
            raise StoreError(
                f"The journal {self.path} cannot be used: {reason}. Check its disk and permissions."
                " If it is damaged, remove it and run the backlog again: what the meeting store has"
                " is not transcribed again."
            ) from error


def _put(connection: sqlite3.Connection, found: Entry | Problem, number: int) -> None:
    """Store what a line of the manifest names, in the reading of that number."""
    identity, row = _find(connection, found, number)
    if isinstance(found, Problem):
        values: dict[str, Any] = {"state": "invalid", "reason": found.reason, "ended": _now()}
    else:
        names = ("address", "stamp", "size", "id", "title", "language", "speakers")
        values = {name: getattr(found, name) for name in names}
    common = {"line": found.line, "source": found.source, "pass": number}
    if row is None:
        _insert(connection, {"identity": identity, "state": "waiting", **common, **values})
        return
    key, stamp, state = row
    # Of an address without a known version, nothing shows that the content is another one.
    if state == "invalid" or values.get("stamp", stamp) != stamp:
        connection.execute(f"UPDATE items SET {_ANEW} WHERE number = ?", (key,))  # noqa: S608
    elif state == "completed":
        values.pop("address", None)
    columns = common | values
    connection.execute(
        f"UPDATE items SET {', '.join(f'{name} = ?' for name in columns)} WHERE number = ?",  # noqa: S608
        (*columns.values(), key),
    )


def _find(
    connection: sqlite3.Connection, found: Entry | Problem, number: int
) -> tuple[str, tuple[int, str, str] | None]:
    """Return the identity of a line, and the number, stamp and state of its row if there is one.

    A manifest may have the same recording twice, and each of these lines has a row.
    """
    if isinstance(found, Problem):
        base = f"line {found.line}"
    else:
        base = f"{found.source}\0{found.language}\0{found.speakers}"
    for identity in (base, f"{base}\0{found.line}"):
        row = connection.execute(
            "SELECT number, stamp, state, pass FROM items WHERE identity = ?", (identity,)
        ).fetchone()
        if row is None or row[3] < number:
            break
    return identity, row and row[:3]


def _insert(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    connection.execute(
        f"INSERT INTO items ({', '.join(values)}) VALUES ({', '.join('?' for _ in values)})",  # noqa: S608
        tuple(values.values()),
    )


def _item(row: tuple[Any, ...]) -> Item:
    values = dict(zip(_COLUMNS, row, strict=True))
    values |= {"state": ItemState(values["state"]), "retried": bool(values["retried"])}
    return Item(**values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
