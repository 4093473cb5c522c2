"""The meeting store in a PostgreSQL database, for the processes of several machines."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from speech_adapters.errors import MissingExtraError

if TYPE_CHECKING:
    from speech_adapters.config import StoreOptions
    from speech_adapters.store.inspection import Inspection
    from speech_adapters.store.postgres.store import PostgresStore

__all__ = ["inspect_store", "open_store"]


def open_store(directory: Path, options: StoreOptions) -> PostgresStore:
    """Open the store in a database, see :meth:`.interface.Store.open`.

    Raises:
        StoreError: a folder cannot be used, the server cannot be reached or refuses, or the
            database is of a newer format.
        MissingExtraError: psycopg is not installed.
    """
    _need_psycopg()
    from speech_adapters.store.postgres.store import PostgresStore

    return PostgresStore.open(directory, options)


def inspect_store(directory: Path, options: StoreOptions) -> Inspection:
    """Return the condition of the store in a database, which is not changed.

    Raises:
        StoreError: the server cannot be reached, or refuses.
        MissingExtraError: psycopg is not installed.
    """
    _need_psycopg()
    from speech_adapters.store.postgres.inspection import inspect

    return inspect(directory, options)


def _need_psycopg() -> None:
    if find_spec("psycopg") is None:
        raise MissingExtraError(
            "The setting store.url names a PostgreSQL database, which needs psycopg:"
            " pip install 'speech-compat[postgres]'"
        )
