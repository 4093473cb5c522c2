"""Exclusive locks between processes that the kernel releases when their owner dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import filelock

from speech_adapters.errors import MeetingBusyError, StoreError
from speech_adapters.open_files import advice
from speech_adapters.store.lock import Lock

__all__ = ["FileLock", "acquire_with_retry"]

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2
# How often a lock may lose its file to a release at the very moment of the acquisition.
_STALE_FILES: Final = 3


class FileLock(Lock):
    """Locks one name exclusively, among all processes and within this one.

    Any thread may release it.  Its file is removed by the release; one that a killed owner
    left is removed by the next.

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
        from hashlib import sha256  # loads OpenSSL, and most commands lock nothing

        digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        path = folder / f"{digest}.lock"
        # Not bound to a thread: a session may end in another than it began in.
        self._lock = filelock.FileLock(path, timeout=0, mode=0o600, thread_local=False)
        self._path = path
        # Two threads that release at once must not remove the file of the next owner.
        self._releasing = threading.Lock()
        try:
            self._acquire()
        except filelock.Timeout:
            raise MeetingBusyError(busy) from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", "") or error
            raise StoreError(
                f"The lock {path} cannot be taken: {reason}. "
                + advice(
                    error, 'Check its disk and permissions, or set "state_dir" to another folder.'
                )
            ) from error

    @property
    def held(self) -> bool:
        """Whether it is not released yet: the kernel takes it from no process."""
        return self._lock.is_locked

    def release(self) -> None:
        """Release the lock.  Idempotent."""
        with self._releasing:
            if self._lock.is_locked:
                # While it is locked: an owner that opened the file before finds, once it has
                # locked it, that the file has no name any more, and opens the next one.
                with suppress(OSError):  # Windows removes no open file; its lock does it later
                    self._path.unlink()
            self._lock.release(force=True)

    def _acquire(self) -> None:
        for _ in range(_STALE_FILES):
            try:
                self._lock.acquire()
            except filelock.Timeout:
                if self._path.exists():
                    raise  # locked by another owner; otherwise the file was just removed
            else:
                return
        self._lock.acquire()


def acquire_with_retry(acquire: Callable[[], Lock]) -> Lock | None:
    """Call ``acquire`` until it returns a lock; return ``None`` when it stays locked.

    Retries, because a status query holds the lock briefly.  Blocks for about a second.
    """
    for _ in range(_TRIES):
        with suppress(MeetingBusyError):
            return acquire()
        time.sleep(_PAUSE_SECONDS)
    return None
