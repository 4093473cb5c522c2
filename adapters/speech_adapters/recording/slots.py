"""Limits the number of worker processes that work at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from speech_adapters.errors import MeetingBusyError
from speech_adapters.store import Lock, Store
from speech_adapters.store.locks import FileLock

__all__ = ["WAITING", "acquire_slot", "worker_slot"]

# The step of a recording that has no worker yet.
WAITING: Final = "waiting until other meetings are transcribed"
_RETRY_SECONDS: Final = 0.5


@contextmanager
def worker_slot(store: Store, recording_id: str, kind: str, limit: int) -> Iterator[bool]:
    """Occupy one of ``limit`` slots, shared by all workers of a kind and a store.

    Hundreds of meetings may end together, and an engine or SDK in each of their workers
    would exhaust the memory.  A worker that waits needs 25 MB.  Live meetings need no slot:
    their events must not wait.

    Yields:
        True once a slot is free; False if the recording came to a final state meanwhile,
        for example because it was deleted.
    """
    waited = False
    while (lock := acquire_slot(store.directory, kind, limit)) is None:
        if store.get(recording_id).state.final:
            yield False
            return
        if not waited:  # once, since each update waits for the disk
            store.report(recording_id, step=WAITING)
            waited = True
        time.sleep(_RETRY_SECONDS)
    with lock:
        if waited:
            store.report(recording_id, step="")
        yield True


def acquire_slot(directory: Path, kind: str, limit: int) -> Lock | None:
    """Occupy one of ``limit`` slots; return ``None`` if all are occupied.

    Args:
        directory: the folder of the store.
        kind: which workers share the slots.
        limit: the number of slots.
    """
    # Locks of the kernel, so that a worker that crashes leaves its slot.
    for number in range(limit):
        with suppress(MeetingBusyError):
            return FileLock(directory / "locks", f"worker:{kind}:{number}", "All workers are busy.")
    return None
