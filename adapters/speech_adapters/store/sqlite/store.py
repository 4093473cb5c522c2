"""The meeting store in one SQLite file, next to the audio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from speech_adapters.store.locks import FileLock
from speech_adapters.store.sql.store import SqlStore, create_folders
from speech_adapters.store.sqlite.database import Database

if TYPE_CHECKING:
    from speech_adapters.config import StoreOptions

__all__ = ["FILE", "SqliteStore"]

FILE: Final = "meetings.sqlite3"


class SqliteStore(SqlStore):
    """A store in an SQLite file; see :class:`.interface.Store`.

    A file that proves damaged is kept under another name.
    """

    _database: Database

    @classmethod
    def open(cls, directory: Path, options: StoreOptions | None = None) -> SqliteStore:  # noqa: ARG003
        """Open the store in ``directory``, which is created when missing.

        Raises:
            StoreError: it is no folder, cannot be written, or is of a newer format.
            StoreCorruptError: the file was damaged and has been put aside.
        """
        directory = directory.absolute()  # the program may change its working directory
        audio = directory / "audio"
        create_folders(directory, audio, directory / "locks")
        store = cls(directory, Database(directory / FILE), audio)
        try:
            store.remove_leftovers()
        except BaseException:
            store.close()
            raise
        return store

    def _lock(self, name: str, busy: str) -> FileLock:
        return FileLock(self.directory / "locks", name, busy)
