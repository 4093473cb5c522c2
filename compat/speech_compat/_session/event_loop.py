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
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

__all__ = ["call", "call_async", "portal", "run_at_exit", "start_soon", "submit"]

T = TypeVar("T")
_logger = logging.getLogger("speech_compat")

# Time for services that were released to close when the program ends.
_FINISH_SECONDS: Final = 5.0

_lock = threading.Lock()
_context: AbstractContextManager[BlockingPortal] | None = None
_portal: BlockingPortal | None = None
_loop: AbstractEventLoop | None = None  # the portal's
_ended = False
_endings: list[Callable[[], None]] = []
_last_endings: list[Callable[[], None]] = []  # run after all others


def portal() -> BlockingPortal:
    """Return the running portal; the first call starts it.

    Raises:
        RuntimeError: the program is ending.
    """
    global _context, _portal, _loop
    with _lock:
        if _ended:
            raise RuntimeError("The program is ending: no further meeting can be transcribed.")
        if _portal is None:
            from asyncio import get_running_loop

            from anyio.from_thread import start_blocking_portal

            context = start_blocking_portal(name="speech-compat-loop")
            _portal = context.__enter__()
            _context = context
            _loop = _portal.call(get_running_loop)
            threading.Thread(target=_end_with_program, name="speech-compat-exit").start()
        return _portal


def submit(func: Callable[..., Awaitable[T]], *args: Any) -> Future[T]:
    """Start ``await func(*args)`` on the loop; canceling the future cancels it.

    Must not be called from the loop itself.
    """
    return portal().start_task_soon(func, *args)


def call(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop and return its result.

    Must not be called from the loop itself.
    """
    return submit(func, *args).result()


async def call_async(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop, awaited from a loop of the program.

    No thread waits meanwhile.  Cancellation is passed on.
    """
    from asyncio import wrap_future  # slow to import, and most programs are synchronous

    return await wrap_future(submit(func, *args))


def start_soon(func: Callable[[], Awaitable[object]]) -> None:
    """Start ``func()`` on the loop; from any thread, the loop's too, and from finalizers.

    Never blocks: a finalizer may run in a thread for which the loop waits.  Does nothing when
    the loop was never started, or the program is ending.
    """
    running = _loop
    if running is not None:
        with suppress(RuntimeError):  # closed in this moment
            running.call_soon_threadsafe(_start, func)


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


def _start(func: Callable[[], Awaitable[object]]) -> None:
    from asyncio import create_task

    task = create_task(_run(func))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _run(func: Callable[[], Awaitable[object]]) -> None:
    try:
        await func()
    except Exception:
        _logger.exception("Something failed in the background.")


async def _finish_tasks() -> None:
    """Wait until what :func:`start_soon` started has ended."""
    from asyncio import wait

    if _tasks:
        await wait(_tasks, timeout=_FINISH_SECONDS)


def _end_with_program() -> None:
    threading.main_thread().join()
    _run_endings(_endings)
    # Read only now: a meeting that was just starting may have registered its service since.
    _run_endings(_last_endings)
    _stop()


def _run_endings(endings: list[Callable[[], None]]) -> None:
    for ending in tuple(endings):
        try:
            ending()
        except Exception:
            _logger.exception("Something failed while the program ended.")


def _stop() -> None:
    global _context, _portal, _loop, _ended
    with _lock:
        context, _context = _context, None
        running, _portal = _portal, None
        _loop = None
        _ended = True
    if context is not None and running is not None:
        running.call(_finish_tasks)
        running.call(running.stop, True)  # tasks that still wait are canceled
        context.__exit__(None, None, None)
