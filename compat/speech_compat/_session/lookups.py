"""The executor of the event loop, which asyncio uses to look up host names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

__all__ = ["LookupExecutor"]

P = ParamSpec("P")
T = TypeVar("T")


class LookupExecutor(ThreadPoolExecutor):
    """Runs each call in a thread of its own.

    Once the main thread has ended, the standard executors accept no more work; but uploads
    continue, and need the address of their service.  asyncio accepts only this base class.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start ``fn`` and return its future."""
        future: Future[T] = Future()
        # A daemon: a lookup that hangs must not keep the program from ending.
        threading.Thread(
            target=_run,
            args=(future, fn, args, kwargs),
            name="speech-compat-lookup",
            daemon=True,
        ).start()
        return future


def _run(future: Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
