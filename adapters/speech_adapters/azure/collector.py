"""A pause of the garbage collector, while millions of objects without cycles are created."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]

_lock = threading.Lock()
# Threads in the block, and whether the collector ran before the first of them.
_inside = 0
_enabled = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector of the process during the block, which must be short.

    It would walk all objects of a transcript several times while they are created, which takes as
    long as reading it, and stops all other threads.  It never finds anything: they have no cycles.
    """
    global _enabled, _inside
    with _lock:
        if _inside == 0:
            _enabled = gc.isenabled()
            gc.disable()
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _enabled:
                gc.enable()
