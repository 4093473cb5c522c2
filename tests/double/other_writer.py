"""Another program that writes to the meeting store, for example a backup."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from speech_adapters.closeable import Closeable

__all__ = ["OtherWriter"]


class OtherWriter(Closeable):
    """A connection that keeps other writers from the store in ``folder``."""

    def __init__(self, folder: Path) -> None:
        path = folder / "meetings.sqlite3"
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def lock(self) -> None:
        """Keep all other writers waiting."""
        self._connection.execute("BEGIN IMMEDIATE")

    def unlock(self) -> None:
        """Let other writers go on."""
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection, which unlocks the store."""
        self._connection.close()
