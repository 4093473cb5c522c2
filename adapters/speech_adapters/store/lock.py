"""The interface of the locks of the meeting store."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Protocol, Self

__all__ = ["Lock"]


class Lock(Protocol):
    """An exclusive lock, which ends with the process that holds it, however that dies.

    Any thread may release it.
    """

    @property
    @abstractmethod
    def held(self) -> bool:
        """Whether it is held still: neither released nor lost to another process.

        A lock of a server is lost if the server cannot be reached for long, and another process
        takes it then.  What the store changes for the holder fails from that moment on.
        """
        ...

    @abstractmethod
    def release(self) -> None:
        """Release the lock.  Idempotent."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.release()
