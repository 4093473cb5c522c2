"""One event loop in one background thread, for all meetings of the process.

The legacy interface is synchronous; the backends are not.  The loop is started at the first
use, so that importing the package starts nothing, and stopped when the main thread ends.  A
thread of its own waits for that end: exit handlers run too late, since the interpreter first
waits for the loop's worker threads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import Task
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

__all__ = ["call", "call_async", "portal", "run_at_exit", "start_soon"]

T = TypeVar("T")
_logger = logging.getLogger("speech_compat")

_lock = threading.Lock()
_context: AbstractContextManager[BlockingPortal] | None = None
_portal: BlockingPortal | None = None
_ended = False
_endings: list[Callable[[], None]] = []
_last_endings: list[Callable[[], None]] = []  # run after all others


def portal() -> BlockingPortal:
    """Return the running portal; the first call starts it.

    Raises:
        RuntimeError: the program is ending.
    """
    global _context, _portal
    with _lock:
        if _ended:
            raise RuntimeError("The program is ending: no further meeting can be transcribed.")
        if _portal is None:
            from anyio.from_thread import start_blocking_portal

            context = start_blocking_portal(name="speech-compat-loop")
            _portal = context.__enter__()
            _context = context
            threading.Thread(target=_end_with_program, name="speech-compat-exit").start()
        return _portal


def call(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop and return its result.

    Must not be called from the loop itself.
    """
    return _submit(func, *args).result()


async def call_async(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop, awaited from a loop of the program.

    No thread waits meanwhile.  Cancellation is passed on.
    """
    from asyncio import wrap_future  # slow to import, and most programs are synchronous

    return await wrap_future(_submit(func, *args))


def start_soon(func: Callable[[], Awaitable[object]]) -> None:
    """Start ``func()`` on the loop without waiting; from any thread, the loop's too.

    Does nothing when the loop was never started, or the program is ending.
    """
    from asyncio import get_running_loop

    running = _portal
    if running is None:
        return
    with suppress(RuntimeError):
        try:
            running.start_task_soon(func)
        except RuntimeError:  # this is the loop's own thread
            task = get_running_loop().create_task(_finish(func))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)


def run_at_exit(ending: Callable[[], None], *, last: bool = False) -> None:
    """Call ``ending`` when the main thread has ended, while the loop still runs.

    Endings run in the order of their registration, those with ``last`` after all others; a
    second registration has no effect.
    """
    endings = _last_endings if last else _endings
    with _lock:
        if ending not in endings:
            endings.append(ending)


# The loop itself keeps only weak references to its tasks.
_tasks: set[Task[None]] = set()


async def _finish(func: Callable[[], Awaitable[object]]) -> None:
    await func()


def _submit(func: Callable[..., Awaitable[T]], *args: Any) -> Future[T]:
    return portal().start_task_soon(func, *args)


def _end_with_program() -> None:
    threading.main_thread().join()
    for ending in (*_endings, *_last_endings):
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
        running.call(running.stop, True)  # tasks that still wait are canceled
        context.__exit__(None, None, None)
