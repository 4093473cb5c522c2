"""Events of a transcriber for programs that use asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from speech_compat._sdk.events import EventSignal
from speech_compat._sdk.results import ResultEventArgs

__all__ = ["EventStream"]


class EventStream:
    """The results of a transcriber as an asynchronous iterator, to the session's end.

    Collects events from its creation on, in the running event loop.  Events that are not
    read yet are kept.

    Args:
        results: the signals of results.
        stopped: the signal that ends the iteration.
        owner: the transcriber, which is not dropped while its events are read.
    """

    def __init__(
        self, results: tuple[EventSignal, ...], stopped: EventSignal, owner: object = None
    ) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        # None marks the end of the session.
        self._queue: asyncio.Queue[ResultEventArgs[Any] | None] = asyncio.Queue()
        self._connections: list[tuple[EventSignal, Callable[[Any], None]]] = [
            *((signal, self._put) for signal in results),
            (stopped, self._end),
        ]
        for signal, callback in self._connections:
            signal.connect(callback)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> ResultEventArgs[Any]:
        event = await self._queue.get()
        if event is None:
            await self.aclose()
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        """Disconnect from the signals.  Idempotent."""
        connections, self._connections = self._connections, []
        for signal, callback in connections:
            signal._disconnect(callback)
        # A reader that waits, or reads again, must come to the end.
        self._queue.put_nowait(None)

    def _put(self, event: ResultEventArgs[Any] | None) -> None:
        # Called in the session's event thread; a closed loop has no readers any more.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    def _end(self, _: object) -> None:
        self._put(None)
