"""One event loop in one background thread, for all coroutines of the backends.

The legacy interface is synchronous; the backends are not.  The loop is started
on first use, so that importing the package starts nothing, and stopped when the
main thread ends.  A thread of its own waits for that end: exit handlers come too
late, since the interpreter first waits for the loop's worker threads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

__all__ = ["before_exit", "call", "portal"]

T = TypeVar("T")
_logger = logging.getLogger("speech_compat")

_lock = threading.Lock()
_context: AbstractContextManager[BlockingPortal] | None = None
_portal: BlockingPortal | None = None
_ended = False
_endings: list[Callable[[], None]] = []


def portal() -> BlockingPortal:
    """Give the running portal; start it on the first call."""
    global _context, _portal
    with _lock:
        if _ended:
            raise RuntimeError("The program ends: nothing can be transcribed any more.")
        if _portal is None:
            from anyio.from_thread import start_blocking_portal

            context = start_blocking_portal(name="speech-compat-loop")
            _portal = context.__enter__()
            _context = context
            threading.Thread(target=_end_with_program, name="speech-compat-exit").start()
        return _portal


def call(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop and wait for its result.

    Must not be called from the loop itself.
    """
    return portal().call(func, *args)


def before_exit(ending: Callable[[], None]) -> None:
    """Have ``ending`` called when the main thread has ended, while the loop still runs."""
    with _lock:
        if ending not in _endings:
            _endings.append(ending)


def _end_with_program() -> None:
    threading.main_thread().join()
    for ending in _endings:
        try:
            ending()
        except Exception:
            _logger.exception("Something failed while the program ended.")
    _stop()


def _stop() -> None:
    global _context, _portal, _ended
    with _lock:
        context, _context = _context, None
        running, _portal = _portal, None
        _ended = True
    if context is not None and running is not None:
        running.call(running.stop, True)  # what still waits is cancelled
        context.__exit__(None, None, None)
