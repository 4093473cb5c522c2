"""One event loop in one background thread, for all meetings of the process.

The legacy interface is synchronous; the backends are not.  The loop is started at the first
use, so that importing the package starts nothing, and stopped when the program ends: when its
main thread and all other threads that are no daemons have ended.  A thread of its own waits
for that end: exit handlers run too late, since no thread can be started any more.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from concurrent.futures import Future

    from anyio.from_thread import BlockingPortal

__all__ = [
    "ProgramEndingError",
    "after_fork",
    "call",
    "call_async",
    "call_soon",
    "portal",
    "run_at_exit",
    "start_soon",
    "submit",
]

T = TypeVar("T")
_logger = logging.getLogger("speech_compat")

# Time for services that were released to close when the program ends.
_FINISH_SECONDS: Final = 5.0

_lock = threading.Lock()
_thread: threading.Thread | None = None
_portal: BlockingPortal | None = None
_loop: AbstractEventLoop | None = None  # the portal's
_ended = False
_endings: list[Callable[[], None]] = []
_last_endings: list[Callable[[], None]] = []  # run after all others


class ProgramEndingError(RuntimeError):
    """The loop has stopped, because the program is ending."""

    def __init__(self) -> None:
        super().__init__("The program is ending: no further meeting can be transcribed.")


def portal() -> BlockingPortal:
    """Return the running portal; the first call starts it.

    Raises:
        ProgramEndingError: the program is ending.
    """
    global _portal
    with _lock:
        if _ended:
            raise ProgramEndingError
        if _portal is None:
            _portal = _start_loop()
            # Not a daemon, whatever thread comes here first: the interpreter waits for it.
            threading.Thread(
                target=_end_with_program, name="speech-compat-exit", daemon=False
            ).start()
        return _portal


def _start_loop() -> BlockingPortal:
    """Start the loop in a thread; from any thread, also after the main thread has ended.

    anyio's own ``start_blocking_portal`` uses an executor, and no executor accepts work once
    the main thread has ended.
    """
    global _thread
    from concurrent.futures import Future

    from anyio import run

    started: Future[BlockingPortal] = Future()
    # A daemon, and so are the worker threads that it starts: the exit thread ends them.
    _thread = threading.Thread(
        target=run, args=(_serve, started), name="speech-compat-loop", daemon=True
    )
    _thread.start()
    return started.result()


async def _serve(started: Future[BlockingPortal]) -> None:
    global _loop
    from asyncio import get_running_loop

    from anyio.from_thread import BlockingPortal

    from speech_compat._session.lookups import LookupExecutor

    _loop = get_running_loop()
    _loop.set_default_executor(LookupExecutor())
    async with BlockingPortal() as running:
        started.set_result(running)
        await running.sleep_until_stopped()


def submit(func: Callable[..., Awaitable[T]], *args: Any) -> Future[T]:
    """Start ``await func(*args)`` on the loop; canceling the future cancels it.

    Must not be called from the loop itself.
    """
    return portal().start_task_soon(func, *args)


def call(func: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run ``await func(*args)`` on the loop and return its result.

    Must not be called from the loop itself.

    Raises:
        ProgramEndingError: the program is ending.
    """
    future = submit(func, *args)
    try:
        return future.result()
    except BaseException:
        # The end of the loop cancels what still waits.
        if _ended and future.cancelled():
            raise ProgramEndingError from None
        raise


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


def call_soon(func: Callable[[AbstractEventLoop], object]) -> None:
    """Call ``func`` with the loop, on it; from any thread.  Never blocks.

    Does nothing when the loop was never started, or the program is ending.
    """
    running = _loop
    if running is not None:
        with suppress(RuntimeError):  # closed in this moment
            running.call_soon_threadsafe(func, running)


def run_at_exit(ending: Callable[[], None], *, last: bool = False) -> None:
    """Call ``ending`` when the program ends, while the loop still runs.

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
    # The program goes on in these, as with the real package.
    while (thread := _program_thread()) is not None:
        thread.join()
    _run_endings(_endings)
    # Read only now: a meeting that was just starting may have registered its service since.
    _run_endings(_last_endings)
    _stop()


def _program_thread() -> threading.Thread | None:
    """Return a thread that the interpreter waits for, other than the present one."""
    present = threading.current_thread()
    return next(
        (t for t in threading.enumerate() if t.is_alive() and not t.daemon and t is not present),
        None,
    )


def _run_endings(endings: list[Callable[[], None]]) -> None:
    for ending in tuple(endings):
        try:
            ending()
        except Exception:
            _logger.exception("Something failed while the program ended.")


def _stop() -> None:
    global _portal, _loop, _ended
    with _lock:
        running, _portal = _portal, None
        _loop = None
        _ended = True
    if running is not None and _thread is not None:
        running.call(_finish_tasks)
        running.call(running.stop, True)  # tasks that still wait are canceled
        _thread.join()


# What a forked process got of its parent.  Kept for ever: its finalizers would warn, or
# release what still belongs to the parent.
_of_parent: list[object] = []


def after_fork(forget: Callable[[], object]) -> Callable[[], object]:
    """Call the decorated function in each forked process, in the order of registration.

    The function returns the objects of the parent process, which are kept for ever.
    """
    if hasattr(os, "register_at_fork"):  # missing on Windows, which has no fork
        os.register_at_fork(after_in_child=lambda: _of_parent.append(forget()))
    return forget


@after_fork
def _start_anew() -> object:
    """Forget the parent's loop, which has no thread in a forked process."""
    global _lock, _thread, _portal, _loop, _ended
    of_parent = (_portal, _loop, _thread, tuple(_tasks))
    _lock = threading.Lock()
    _thread = _portal = _loop = None
    _ended = False
    _tasks.clear()
    _endings.clear()
    _last_endings.clear()
    return of_parent
