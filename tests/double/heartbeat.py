"""Measures how long the event loop does not run.

The heart beats every few milliseconds, and the longest time without a beat counts.  It is CPU
time of this process, because other processes of a busy machine delay a beat as well.  So what
counts is work that keeps the loop from running, on its thread or in a thread that holds the
interpreter lock; a wait for a disk does not.  The best of several attempts counts.
"""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

__all__ = ["ATTEMPTS", "LARGE", "Heart", "assert_no_gap"]

LARGE: Final = 100_000_000
LONGEST_GAP: Final = 0.1
ATTEMPTS: Final = 5


class Heart:
    """Measures the most CPU seconds between two beats on the event loop."""

    def __init__(self) -> None:
        self.gap = 0.0
        self._last_beat = 0.0

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        # A collection of garbage would walk the objects of all the other tests as well.
        gc.collect()
        gc.freeze()
        async with anyio.create_task_group() as tasks:
            self._last_beat = time.process_time()
            tasks.start_soon(self._beat)
            try:
                yield
            finally:
                # What blocked the loop until now has prevented the last beat.
                self.gap = max(self.gap, time.process_time() - self._last_beat)
                tasks.cancel_scope.cancel()
                gc.unfreeze()

    async def _beat(self) -> None:
        while True:
            self._last_beat = time.process_time()
            await anyio.sleep(0.005)
            self.gap = max(self.gap, time.process_time() - self._last_beat)


def assert_no_gap(attempt: Callable[[], float]) -> None:
    gaps: list[float] = []
    while len(gaps) < ATTEMPTS and (not gaps or gaps[-1] > LONGEST_GAP):
        gaps.append(attempt())
    assert min(gaps) <= LONGEST_GAP, gaps
