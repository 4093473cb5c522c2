"""Access to the meeting store from the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from speech_adapters import threads
from speech_adapters.config import StoreOptions, store_options_from_environment
from speech_adapters.errors import StoreCorruptError, StoreError
from speech_adapters.store.interface import Store

__all__ = ["AsyncStore"]

P = ParamSpec("P")
T = TypeVar("T")


class AsyncStore:
    """One store, opened at the first call and kept open; its calls run in worker threads.

    Args:
        directory: the store's folder.
        options: its database; ``None`` for that of the environment.
    """

    def __init__(self, directory: Path, options: StoreOptions | None = None) -> None:
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
        return await threads.STORE.run(lambda: self._call(function, *args, **kwargs))

    async def aclose(self) -> None:
        """Close the store.  Idempotent; a later call opens it again."""
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
                self._store = Store.open(self.directory, self.options)
            return self._store

    def _close(self, unusable: Store | None) -> None:
        with self._guard:
            if unusable is not None and self._store is not unusable:
                return  # another thread has closed it; a new one may be in use
            store, self._store = self._store, None
        if store is not None:
            store.close()
