"""Worker threads for blocking calls, with a limit for each kind of call.

The event loop of a process serves all its meetings, so every call that may block runs in a
worker thread.  The kinds are limited separately: slow uploads must not keep the audio of
another meeting from reaching the disk, nor must a database that another process has locked.
No function that runs here waits for the event loop, because threads that wait for each
other through the loop are a deadlock once all of them are in use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

__all__ = ["AUDIO", "COMPUTE", "ENGINE", "STORE", "TRANSFER", "Threads"]

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Runs blocking functions of one kind in at most ``limit`` threads per event loop."""

    def __init__(self, kind: str, limit: int) -> None:
        self._limit = limit
        # A limiter belongs to one event loop, and a process may have several in turn.
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar(f"speech_adapters.{kind}")

    @property
    def limiter(self) -> anyio.CapacityLimiter:
        """The limiter of the running event loop, for code that starts its own threads."""
        try:
            return self._limiter.get()
        except LookupError:
            limiter = anyio.CapacityLimiter(self._limit)
            self._limiter.set(limiter)
            return limiter

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` in a worker thread and return its result."""
        call = partial(function, *args, **kwargs)
        return await anyio.to_thread.run_sync(call, limiter=self.limiter)


# Appending audio to the spool: never behind anything else.
AUDIO: Final = Threads("audio", 16)
# The meeting store.  SQLite has one writer anyway; more threads would only queue for it.
STORE: Final = Threads("store", 4)
# Blocking network clients: uploads and deletions of blobs, sign-in.
TRANSFER: Final = Threads("transfer", 8)
# Imports, parsing and other work on the processor.
COMPUTE: Final = Threads("compute", 4)
# A native engine in a worker process of an executor, for minutes.  The executor limits how many
# recordings a worker has at a time, so this limit is only to be higher.
ENGINE: Final = Threads("engine", 256)
