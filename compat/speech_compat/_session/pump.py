"""The audio of live meetings, from push streams into their sessions, on the event loop.

A thread for each meeting that is woken by each chunk costs more than all the rest, and with a
thousand of them the interpreter does little else.  So a stream notifies the loop::

    write ──stream was empty──▶ ready ──one tick for all streams──▶ read, decode, push

Beside many meetings a tick comes only every few milliseconds, so small chunks are joined.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from speech_compat._session import event_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event

    from speech_adapters.contract import Session

__all__ = ["PolledSource", "joining_seconds", "pump"]

# How long a chunk waits at most; below what a reader of live results notices.
_LONGEST: Final = 0.04
# Each running meeting adds so much to the wait of all.  So the audio of a few meetings does not
# wait at all, as joining would save little there.
_PER_MEETING: Final = 0.001
_LEAST: Final = 0.01


def joining_seconds(meetings: int, longest: float) -> float:
    """Return how long a chunk may wait for further ones, beside so many meetings."""
    wait = min(meetings * _PER_MEETING, longest)
    return wait if wait >= _LEAST else 0.0


class PolledSource(Protocol):
    """Audio that is read without waiting, unlike that of an ``AudioSource``."""

    def poll(self) -> bytes | None:
        """Return the next block, ``b""`` at the end, or ``None`` if there is none yet.

        Raises:
            AudioError: the audio cannot be used.
        """
        ...

    def notify(self, ready: Callable[[], None] | None) -> None:
        """Call ``ready``, in any thread, once after each ``None`` when there is more."""
        ...


async def pump(
    session: Session, source: PolledSource, first: bytes, pushed: Callable[[bytes], None]
) -> None:
    """Push the audio of a source to its end; ``pushed`` is called after each block.

    Raises:
        SpeechError: the audio cannot be used, or the session does not accept it.
    """
    from asyncio import Event

    ready = Event()
    source.notify(lambda: _ticks.request(ready))
    _running.add(source)
    try:
        block = first
        while block:
            await session.push(block)
            pushed(block)
            block = await _next(source, ready)
    finally:
        _running.discard(source)
        source.notify(None)


async def _next(source: PolledSource, ready: Event) -> bytes:
    while True:
        # Before the poll: what comes afterwards sets it again.
        ready.clear()
        block = source.poll()
        if block is not None:
            return block
        await ready.wait()


class _Ticks:
    """Sets the events of all sources that have become ready since the last tick."""

    def __init__(self) -> None:
        self._ready: deque[Event] = deque()  # its methods are atomic
        # Whether a tick will come.  It is reset before the tick sets the events, so an event that
        # is added meanwhile is among them, or requests the next tick.
        self._requested = False
        # The time of the last tick on the loop's clock.
        self._last = 0.0

    def request(self, event: Event) -> None:
        """Set ``event`` at the next tick; from any thread, never blocks."""
        self._ready.append(event)
        if not self._requested:
            self._requested = True
            event_loop.call_soon(self._schedule)

    def _schedule(self, loop: AbstractEventLoop) -> None:
        due = self._last + joining_seconds(len(_running), _LONGEST)
        if due > loop.time():
            loop.call_at(due, self._tick, loop)
        else:
            self._tick(loop)

    def _tick(self, loop: AbstractEventLoop) -> None:
        self._last = loop.time()
        self._requested = False
        for _ in range(len(self._ready)):
            self._ready.popleft().set()


_ticks = _Ticks()
# The sources that are pumped at present.
_running: set[Any] = set()


@event_loop.after_fork
def _start_anew() -> object:
    global _ticks
    of_parent = (_ticks, tuple(_running))
    for source in of_parent[1]:
        source.notify(None)
    _ticks = _Ticks()
    _running.clear()
    return of_parent
