"""What the legacy interface gives back and calls back: futures and signals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

__all__ = ["EventSignal", "ResultFuture", "future"]

T = TypeVar("T")
_logger = logging.getLogger("speech_compat")


class EventSignal:
    """Callbacks, called in the order they were connected.

    An exception in a callback does not reach the caller or the other callbacks; it
    is logged (the real package traces it, docs/protocol/legacy-interface.md, 4.3).
    """

    def __init__(
        self,
        obj: object,  # noqa: ARG002
        connection_changed_callback: Callable[[EventSignal], Any] | None,
    ) -> None:
        self._callbacks: list[Callable[[Any], Any]] = []
        self._changed = connection_changed_callback

    def connect(self, callback: Callable[[Any], Any]) -> None:
        """Call ``callback(event)`` from now on, in a worker thread."""
        self._callbacks = [*self._callbacks, callback]
        self._tell_changed()

    def disconnect_all(self) -> None:
        """Call nobody any more."""
        self._callbacks = []
        self._tell_changed()

    def _disconnect(self, callback: Callable[[Any], Any]) -> None:
        """Call ``callback`` no more; the real package cannot do that."""
        self._callbacks = [found for found in self._callbacks if found != callback]
        self._tell_changed()

    def is_connected(self) -> bool:
        """Whether there is any callback."""
        return bool(self._callbacks)

    def signal(self, payload: Any) -> None:
        """Call all callbacks with ``payload``."""
        for callback in self._callbacks:
            try:
                callback(payload)
            except Exception:
                _logger.exception("A callback connected to an event signal failed.")

    def _tell_changed(self) -> None:
        if self._changed is not None:
            self._changed(self)


class ResultFuture(Generic[T]):
    """The outcome of a call that ends in ``_async``.

    :meth:`get` does the work, or waits for it, the first time; later calls give the
    same value or raise the same error.  Calls on a meeting do nothing before
    ``get``; start and stop have begun when they return (docs/protocol/legacy-interface.md, 4.3).
    It can be awaited too, in place of ``get``.
    """

    def __init__(
        self,
        async_handle: Any,
        get_function: Callable[[Any], Any],
        wrapped_type: Callable[[Any], T] | None,
    ) -> None:
        self._work: Callable[[], T] | None = lambda: _wrapped(
            get_function(async_handle), wrapped_type
        )
        self._lock = threading.Lock()
        self._value: T
        self._error: BaseException | None = None

    def get(self) -> T:
        """Wait for the outcome.

        Raises:
            RuntimeError: the call failed.
        """
        with self._lock:
            work, self._work = self._work, None
            if work is not None:
                self._run(work)
        if self._error is not None:
            raise self._error
        return self._value

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the outcome without blocking the running loop."""
        import asyncio

        return asyncio.to_thread(self.get).__await__()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._value = work()
        except Exception as error:
            self._error = error


def future(work: Callable[[], T]) -> ResultFuture[T]:
    """Make a future of a call without arguments."""
    return ResultFuture(None, lambda _: work(), None)


def _wrapped(value: Any, wrapped_type: Callable[[Any], T] | None) -> T:
    wrapped: T = value if wrapped_type is None else wrapped_type(value)
    return wrapped
