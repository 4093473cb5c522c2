"""The locks of meetings and recordings, acquired and released from the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.errors import MeetingBusyError
from speech_adapters.store import AsyncStore, Lock, Store

__all__ = ["lock_meeting", "recording_locked", "release", "released"]

_TRIES: Final = 10
_PAUSE_SECONDS: Final = 0.02


async def lock_meeting(store: AsyncStore, meeting_id: str) -> Lock:
    """Lock a meeting; retries, because a status query locks it briefly.

    Raises:
        MeetingBusyError: it stays locked.
    """
    for _ in range(_TRIES - 1):
        with suppress(MeetingBusyError):
            return await store.run(Store.lock_meeting, meeting_id)
        await anyio.sleep(_PAUSE_SECONDS)
    return await store.run(Store.lock_meeting, meeting_id)


@asynccontextmanager
async def recording_locked(store: AsyncStore, recording_id: str) -> AsyncIterator[bool]:
    """Lock a recording; yields ``False`` while another process or task holds the lock."""
    try:
        lock = await store.run(Store.lock_recording, recording_id)
    except MeetingBusyError:
        yield False
        return
    async with released(lock):
        yield True


@asynccontextmanager
async def released(lock: Lock) -> AsyncIterator[None]:
    """Release a lock at the end of the block."""
    try:
        yield
    finally:
        await release(lock)


async def release(lock: Lock) -> None:
    """Release a lock, also in a task that is canceled."""
    with anyio.CancelScope(shield=True):
        await threads.STORE.run(lock.release)
