"""The rows of a store in any database, past its interface."""

from __future__ import annotations

from typing import Any

from speech_adapters.store import Store

__all__ = ["change", "rows"]


def change(store: Store, statement: str, *values: object) -> None:
    """Run a statement that changes rows."""
    with store._database.transaction() as transaction:  # type: ignore[attr-defined]
        transaction.execute(statement, values)


def rows(store: Store, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Return the rows that a statement reads."""
    found: list[tuple[Any, ...]] = store._database.rows(statement, *values)  # type: ignore[attr-defined]
    return found
