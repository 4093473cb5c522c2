"""Access to the meeting store from the event loop.

The services of a process share one open store for each folder, because each connection of SQLite
needs three files.  Programs easily have many services: one for each set of settings, of which an
authorization token is a part.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeAlias, TypeVar

from speech_adapters.errors import StoreCorruptError, StoreError
from speech_adapters.store.interface import Store

if TYPE_CHECKING:
    from speech_adapters.config import StoreOptions

__all__ = ["AsyncStore"]

P = ParamSpec("P")
T = TypeVar("T")
_Key: TypeAlias = "tuple[Path, StoreOptions | None]"


class _SharedStores:
    """The open stores of the process by folder and database, each with its number of users."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[_Key, tuple[Store, int]] = {}

    def acquire(self, directory: Path, options: StoreOptions | None = None) -> Store:
        """Return the open store of a folder; to be released once for each call."""
        with self._guard:
            key = directory, options
            store, users = self._open.get(key, (None, 0))
            if store is None or not store.usable:
                store, users = Store.open(directory, options), 0
            # A store that is only read changes when its folder can be written again.
            if not store.read_only:
                self._open[key] = store, users + 1
            return store

    def release(self, directory: Path, store: Store, options: StoreOptions | None = None) -> None:
        """End one use of a store; the last one closes it."""
        with self._guard:
            key = directory, options
            shared, users = self._open.get(key, (None, 0))
            if shared is store and users > 1:
                self._open[key] = store, users - 1
                return
            if shared is store:
                del self._open[key]
            # In the guard: a store that is opened meanwhile must not find this one half closed.
            store.close()


_stores = _SharedStores()
# Those of parent processes, kept for ever: closing them would end what belongs to the parent.
_of_parents: list[_SharedStores] = []


def _start_anew() -> None:
    global _stores
    _of_parents.append(_stores)
    _stores = _SharedStores()


if hasattr(os, "register_at_fork"):  # missing on Windows, which has no fork
    os.register_at_fork(after_in_child=_start_anew)


class AsyncStore:
    """One store, opened at the first call and kept open; its calls run in worker threads.

    Others of the process may use the same open store.

    Args:
        directory: the store's folder.
        options: its database; ``None`` for that of the environment.
    """

    def __init__(self, directory: Path, options: StoreOptions | None = None) -> None:
        # Imported late: a command that only reads the store needs none of the settings.
        from speech_adapters.config import store_options_from_environment

        self.directory = directory.absolute()  # the program may change its working directory
        self.options = options or store_options_from_environment()
        self._guard = threading.Lock()
        self._store: Store | None = None

    async def run(
        self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``function(store, ...)``, for example ``run(Store.get, recording_id)``.

        Raises:
            StoreError: the store cannot be opened, or what ``function`` raises.
        """
        # Slow to import, and a command that only reads a store needs no event loop.
        from speech_adapters import threads

        return await threads.STORE.run(lambda: self._call(function, *args, **kwargs))

    async def run_long(
        self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call ``function(store, ...)`` as :meth:`run`, for work that takes minutes.

        It runs in a thread of its own kind, so that no other use of the store waits for it.
        """
        from speech_adapters import threads

        return await threads.ENGINE.run(lambda: self._call(function, *args, **kwargs))

    async def aclose(self) -> None:
        """Close the store.  Idempotent; a later call opens it again."""
        from speech_adapters import threads

        await threads.STORE.run(self._close, None)

    def _call(
        self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        store = self._open()
        # A method of the interface stands for that of the store's own class.
        is_method = vars(Store).get(getattr(function, "__name__", "")) is function
        call = getattr(store, function.__name__) if is_method else partial(function, store)
        try:
            result: T = call(*args, **kwargs)
            return result
        except StoreError as error:
            # Damaged and put aside, moved or deleted: the caller has the error, and the
            # next call starts anew, so that a program that runs for weeks recovers.
            if isinstance(error, StoreCorruptError) or not store.usable:
                self._close(store)
            raise

    def _open(self) -> Store:
        with self._guard:
            if self._store is None:
                self._store = _stores.acquire(self.directory, self.options)
            return self._store

    def _close(self, unusable: Store | None) -> None:
        with self._guard:
            if unusable is not None and self._store is not unusable:
                return  # another thread has closed it; a new one may be in use
            store, self._store = self._store, None
        if store is not None:
            _stores.release(self.directory, store, self.options)
