"""Shares of expensive work: how much of it one owner, and all owners, may have at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from speech_compat.gateway.access import Caller

__all__ = ["Shares"]


class Shares:
    """Limits one kind of work; what exceeds a limit waits, in the order of its arrival.

    Args:
        each: how many pieces of work of one owner run at a time.
        total: how many of all owners.
    """

    def __init__(self, each: int, total: int) -> None:
        self._each = each
        self._total = asyncio.Semaphore(total)
        # Weak: with tokens there may be more owners than a process should remember.
        self._owners: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def use(self, caller: Caller) -> AsyncIterator[None]:
        """Wait until the work of a caller may run, which is the block."""
        own = self._owners.get(caller.owner)
        if own is None:
            own = self._owners[caller.owner] = asyncio.Semaphore(self._each)
        # The own share first: what waits there must not occupy a place of the others.
        async with own, self._total:
            yield
