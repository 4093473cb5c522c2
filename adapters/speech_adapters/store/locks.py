"""Exclusive locks between processes that the kernel releases when their owner dies."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import filelock

from speech_adapters.errors import MeetingBusyError, StoreError

__all__ = ["Lock", "acquire_with_retry"]

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2


class Lock:
    """Locks one name exclusively, among all processes and within this one.

    Any thread may release it.  The lock's file stays behind, empty: to remove it
    would let two owners in.

    Args:
        folder: where the locks are; the same for all processes.
        name: what to lock; any text.
        busy: the message when it is locked already.

    Raises:
        MeetingBusyError: it is locked already, with ``busy``.
        StoreError: the lock's file cannot be created or locked.
    """

    def __init__(self, folder: Path, name: str, busy: str) -> None:
        # Hashed: a name may be longer than a file name, or no file name at all.
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        path = folder / f"{digest}.lock"
        # Not bound to a thread: a session may end in another than it began in.
        self._lock = filelock.FileLock(path, timeout=0, mode=0o600, thread_local=False)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise MeetingBusyError(busy) from None
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"The lock {path} cannot be taken: {error}. Check its disk and permissions,"
                ' or set "state_dir" to another folder.'
            ) from error

    def release(self) -> None:
        """Release the lock.  Idempotent."""
        self._lock.release(force=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def acquire_with_retry(acquire: Callable[[], Lock]) -> Lock | None:
    """Call ``acquire`` until it returns a lock; return ``None`` when it stays locked.

    Retries, because a status query takes the lock briefly.  Blocks for about a second.
    """
    for _ in range(_TRIES):
        with suppress(MeetingBusyError):
            return acquire()
        time.sleep(_PAUSE_SECONDS)
    return None
