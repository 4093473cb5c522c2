"""Exclusive locks between processes that the kernel releases when their holder dies."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock

from speech_adapters.errors import MeetingBusyError, StoreError

__all__ = ["Hold"]


class Hold:
    """Holds one name exclusively, among all processes and within this one.

    May be released from any thread.  The lock's file stays behind, empty: to
    remove it would let two holders in.

    Args:
        folder: where the locks are; the same for everyone.
        name: what to hold; any text.
        busy: the message when someone else holds it.

    Raises:
        MeetingBusyError: it is held already, with ``busy``.
        StoreError: the lock's file cannot be created or locked.
    """

    def __init__(self, folder: Path, name: str, busy: str) -> None:
        # Hashed: a name may be longer than a file name, or no file name at all.
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        path = folder / f"{digest}.lock"
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
        """Let others have it.  Idempotent."""
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
