"""From any thread to the event loop, without a thread that waits.

A pooled thread for each session that waits for the next event would use up the pool: with
40 sessions no other blocking call of the process would run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["EventQueue", "LoopEvent"]

T = TypeVar("T")


class LoopEvent:
    """An event that any thread sets, for tasks of the event loop that created it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the waiting tasks.  Does not block; a loop that is closed has no tasks left."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    def clear(self) -> None:
        """Reset the event; only on the event loop."""
        self._event.clear()

    async def wait(self) -> None:
        """Wait until the event is set."""
        await self._event.wait()


class EventQueue(Generic[T]):
    """A queue that any thread fills and one task empties.  It is unbounded; see ``len()``."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()  # its methods are atomic
        self._filled = LoopEvent()

    def put(self, item: T) -> None:
        """Append an item; never blocks."""
        self._items.append(item)
        self._filled.set()

    async def get(self) -> T:
        """Remove the first item and return it; wait for one."""
        while not self._items:
            # No item is missed: the event of one that comes between these lines is set by a
            # callback of the loop, which runs only while this task waits.
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()

    def __len__(self) -> int:
        return len(self._items)
