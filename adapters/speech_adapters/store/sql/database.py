"""What the store needs of an SQL database.

The statements of this package are those of SQLite, with ``?`` for each value.  They use what
other databases have too, apart from few functions, which each database translates.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Database", "Rows", "Transaction"]


class Rows(Protocol):
    """The rows that a statement found."""

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or ``None``."""
        ...


class Transaction(Protocol):
    """An open transaction.

    A row that it reads is not changed by others before it ends.
    """

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""
        ...


class Database(Protocol):
    """A database that is open; any thread may use it."""

    @property
    def usable(self) -> bool:
        """Whether further calls can succeed."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether it can only be read."""
        ...

    def transaction(self, wait: float | None = None) -> AbstractContextManager[Transaction]:
        """Run statements that take effect together or not at all.

        Args:
            wait: seconds to wait for other writers; ``None`` for 30.

        Raises:
            StoreError: it cannot be used.
        """
        ...

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one reading statement and return all its rows.

        Raises:
            StoreError: it cannot be used.
        """
        ...

    def forget(self) -> None:
        """Remove values that were replaced from the disk, as far as the database can."""
        ...

    def close(self) -> None:
        """Close the connections.  Idempotent."""
        ...
