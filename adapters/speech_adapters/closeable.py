"""Bases of classes that hold a resource."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Self

__all__ = ["AsyncCloseable", "Closeable"]


class Closeable(ABC):
    """A context manager that calls :meth:`close` at the end of its block."""

    @abstractmethod
    def close(self) -> None:
        """Release the resource.  Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncCloseable:
    """An async context manager that calls :meth:`aclose`.

    An object that is garbage-collected without it causes a ``ResourceWarning``, as the
    standard library does for files: the object's resources would leak silently.
    """

    # A class attribute, so that a constructor that fails early leaves a sane object.
    _released = True

    def _opened(self) -> None:
        """Note that there is something to close."""
        self._released = False

    async def aclose(self) -> None:
        """Release all resources, in bounded time.  Idempotent."""
        self._released = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if not self._released:
            warnings.warn(
                f"{type(self).__name__} was never closed: call aclose(), or use async with.",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
