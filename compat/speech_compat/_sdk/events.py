"""Futures and event signals, which the legacy interface returns and calls back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from speech_compat._sdk.interop import SdkInstances

__all__ = ["EventSignal", "ResultFuture", "future"]

T = TypeVar("T")
_logger = logging.getLogger("speech_compat")


class EventSignal(metaclass=SdkInstances):
    """Calls its callbacks in the order in which they were connected.

    An exception in a callback, ``SystemExit`` included, reaches neither the caller nor the
    other callbacks.  It is logged; the real package traces it
    (docs/protocol/legacy-interface.md, 4.3).

    Args:
        obj: ignored; the real package's constructor has it.
        connection_changed_callback: called with the signal after a callback was connected
            or disconnected.
    """

    def __init__(
        self,
        obj: object,  # noqa: ARG002
        connection_changed_callback: Callable[[EventSignal], Any] | None,
    ) -> None:
        # Replaced, never changed, so that signal() may iterate while others connect.
        self._callbacks: list[Callable[[Any], Any]] = []
        self._on_change = connection_changed_callback

    def connect(self, callback: Callable[[Any], Any]) -> None:
        """Call ``callback(event)`` for each event from now on, in a worker thread."""
        self._callbacks = [*self._callbacks, callback]
        self._notify_changed()

    def disconnect_all(self) -> None:
        """Disconnect all callbacks."""
        self._callbacks = []
        self._notify_changed()

    def _disconnect(self, callback: Callable[[Any], Any]) -> None:
        """Disconnect one callback; the real package has no such method."""
        self._callbacks = [found for found in self._callbacks if found != callback]
        self._notify_changed()

    def is_connected(self) -> bool:
        """Whether a callback is connected."""
        return bool(self._callbacks)

    def signal(self, payload: Any) -> None:
        """Call all callbacks with ``payload``."""
        for callback in self._callbacks:
            try:
                callback(payload)
            except KeyboardInterrupt:
                raise
            except BaseException:  # sys.exit() ends a callback, not the session
                _logger.exception("A callback connected to an event signal failed.")

    def _notify_changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self)


class ResultFuture(Generic[T], metaclass=SdkInstances):
    """The outcome of a method whose name ends in ``_async``.

    The first :meth:`get` does the work or waits for it; later calls return the same value
    or raise the same error.  One that is interrupted is repeated by the next.  Methods of a
    meeting do nothing before ``get``; start and stop have begun when they return
    (docs/protocol/legacy-interface.md, 4.3).  ``await`` can replace ``get``.
    """

    def __init__(
        self,
        async_handle: Any,
        get_function: Callable[[Any], Any],
        wrapped_type: Callable[[Any], T] | None,
    ) -> None:
        # None once it was called.
        self._work: Callable[[], T] | None = lambda: _wrapped(
            get_function(async_handle), wrapped_type
        )
        # Two threads that call get() must not do the work twice.
        self._lock = threading.Lock()
        self._value: T
        self._error: BaseException | None = None

    def get(self) -> T:
        """Return the outcome; waits for it.

        Raises:
            RuntimeError: the call failed.
        """
        with self._lock:
            work, self._work = self._work, None
            if work is not None:
                try:
                    self._value = work()
                except Exception as error:
                    self._error = error
                except BaseException:
                    # Interrupted, as with Ctrl-C: there is no outcome yet to repeat.
                    self._work = work
                    raise
        if self._error is not None:
            raise self._error
        return self._value

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the outcome without blocking the running loop."""
        import asyncio

        return asyncio.to_thread(self.get).__await__()


def future(work: Callable[[], T]) -> ResultFuture[T]:
    """Return a future that calls ``work`` on its first ``get``."""
    return ResultFuture(None, lambda _: work(), None)


def _wrapped(value: Any, wrapped_type: Callable[[Any], T] | None) -> T:
    wrapped: T = value if wrapped_type is None else wrapped_type(value)
    return wrapped
