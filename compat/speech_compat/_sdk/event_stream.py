"""asyncio for those who want it; the legacy forms stay as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speech_compat._sdk.events import EventSignal
    from speech_compat._sdk.transcriber import ResultEventArgs

__all__ = ["EventStream"]


class EventStream:
    """The results of a transcriber as an asynchronous iterator, to the session's end.

    Listens from its creation on, in the running loop; what is not read yet is kept.
    """

    def __init__(self, results: tuple[EventSignal, ...], stopped: EventSignal) -> None:
        self._loop = asyncio.get_running_loop()
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
        """Listen no more.  Idempotent."""
        connections, self._connections = self._connections, []
        for signal, callback in connections:
            signal._disconnect(callback)
        self._queue.put_nowait(None)  # whoever reads on is at the end

    def _put(self, event: ResultEventArgs[Any]) -> None:
        self._hand_over(event)

    def _end(self, _: object) -> None:
        self._hand_over(None)

    def _hand_over(self, event: ResultEventArgs[Any] | None) -> None:
        """Come over from the worker thread; a loop that was closed has no readers."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)
