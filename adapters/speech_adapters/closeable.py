"""Base of classes that hold a resource."""

from __future__ import annotations

from typing import Self

__all__ = ["Closeable"]


class Closeable:
    """A context manager that calls :meth:`close` at the end of its block."""

    def close(self) -> None:
        """Release the resource.  Idempotent."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
