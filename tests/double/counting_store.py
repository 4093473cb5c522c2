"""A store that has the methods of the interface, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from speech_adapters.config import StoreOptions
from speech_adapters.store import Store

__all__ = ["counting_stores"]


@contextmanager
def counting_stores() -> Iterator[Counter[str]]:
    """Replace each store that is opened in this process; yields the calls by method."""
    calls = Counter[str]()

    def forward(name: str) -> Any:
        def call(self: Any, *args: Any, **more: Any) -> Any:
            calls[name] += 1
            return getattr(self._real, name)(*args, **more)

        if isinstance(vars(Store).get(name), property):
            return property(lambda self: getattr(self._real, name))
        return call

    # By name: what is not abstract in the interface does not exist.
    methods: dict[str, Any] = {name: forward(name) for name in Store.__abstractmethods__}
    counting: Callable[[], Any] = type("CountingStore", (Store,), methods)

    open_real = Store.open

    def open_store(directory: Path, options: StoreOptions | None = None) -> Store:
        store: Any = counting()
        store._real = open_real(directory, options)
        return store  # type: ignore[no-any-return]

    with mock.patch.object(Store, "open", open_store):
        yield calls
