"""One event loop in one background thread, for all coroutines of the backends.

The legacy interface is synchronous; the backends are not.  The loop is started
on first use, so that importing the package starts nothing.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

__all__ = ["call", "portal"]

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.Lock()
_context: AbstractContextManager[BlockingPortal] | None = None
_portal: BlockingPortal | None = None


def portal() -> BlockingPortal:
    """Give the running portal; start it on the first call."""
    global _context, _portal
    with _lock:
        if _portal is None:
            from anyio.from_thread import start_blocking_portal

            context = start_blocking_portal(name="speech-compat-loop")
            _portal = context.__enter__()
            _context = context
            atexit.register(_stop)
        return _portal


def call(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop and wait for its result.

    Must not be called from the loop itself.
    """
    return portal().call(func, *args)


def _stop() -> None:
    global _context, _portal
    with _lock:
        context, _context, _portal = _context, None, None
    if context is not None:
        context.__exit__(None, None, None)
