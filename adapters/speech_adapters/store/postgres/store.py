"""The meeting store in a PostgreSQL database, with audio in a folder that all hosts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, Final

from speech_adapters.config import StoreOptions
from speech_adapters.store.interface import Store
from speech_adapters.store.postgres.address import Address
from speech_adapters.store.postgres.database import Database, Transaction
from speech_adapters.store.postgres.leases import Lease, Leases
from speech_adapters.store.sql.store import SqlStore, create_folders

__all__ = ["PostgresStore"]

# The recordings that the call of this thread changes.
_changed: ContextVar[Sequence[str]] = ContextVar("_changed", default=())
# Their arguments name no recording that must be locked: a deletion waits for no lock.
_WITHOUT_LOCK: Final = frozenset({"create", "delete", "lock_meeting", "lock_recording"})
# A probe of the gateway asks this, so it must not wait for long.
_READ_ONLY_SECONDS: Final = 2.0
# Progress that comes too late is worth nothing.
_WITHOUT_RETRY: Final = frozenset({"report"})


class PostgresStore(SqlStore):
    """A store in a PostgreSQL database; see :class:`.interface.Store`.

    Args:
        directory: the folder of the store on this machine.
        database: the database.
        audio: the folder of the audio.
        leases: the locks of this process.
    """

    _database: Database

    def __init__(self, directory: Path, database: Database, audio: Path, leases: Leases) -> None:
        super().__init__(directory, database, audio)
        self._leases = leases
        database.on_begin = self._check_locks

    @classmethod
    def open(cls, directory: Path, options: StoreOptions | None = None) -> PostgresStore:
        """Open the store in the database that ``options`` name.

        Raises:
            StoreError: a folder cannot be used, the server cannot be reached or refuses, or the
                database is of a newer format.
        """
        options = options or StoreOptions()
        directory = directory.absolute()  # the program may change its working directory
        audio = options.audio_dir or directory / "audio"
        address = Address.parse(options.url.get_secret_value())
        locks = directory / "locks"
        create_folders(directory, audio, locks)
        database = Database(address, options.connections)
        leases = Leases(database, options.lease_seconds, locks)
        store = cls(directory, database, audio, leases)
        try:
            store.remove_leftovers()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def read_only(self) -> bool:
        """Whether the server is a replica, or was set to be only read; asks the server."""
        return self._database.retry(
            lambda: self._database.rows_once("SHOW transaction_read_only") == [("on",)],
            _READ_ONLY_SECONDS,
        )

    def close(self) -> None:
        self._leases.close()
        self._database.close()

    def _lock(self, name: str, busy: str) -> Lease:
        return self._leases.acquire(name, busy)

    def _check_locks(self, transaction: Transaction) -> None:
        for recording_id in _changed.get():
            self._leases.check(transaction, recording_id)


def _retried(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that is repeated as a whole when its connection is lost."""

    @wraps(method)
    def call(store: PostgresStore, *args: Any, **more: Any) -> Any:
        token = _changed.set(_subjects(name, args[0] if args else more.get("recording_id")))
        try:
            if name in _WITHOUT_RETRY:
                return method(store, *args, **more)
            return store._database.retry(lambda: method(store, *args, **more))
        finally:
            _changed.reset(token)

    return call


def _subjects(name: str, subject: object) -> Sequence[str]:
    """Return the recordings that a method changes for the holder of their locks."""
    if name == "update_many" and isinstance(subject, Mapping):
        return sorted(subject)
    named = isinstance(subject, str) and name not in _WITHOUT_LOCK
    return (str(subject),) if named and subject else ()


# Each method takes effect as a whole, so each can be repeated as a whole.
for _name in Store.__abstractmethods__ - {"close"}:
    _method = getattr(PostgresStore, _name)
    if not isinstance(_method, property):
        setattr(PostgresStore, _name, _retried(_name, _method))
