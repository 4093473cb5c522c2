"""What is closed at the end of a ``with`` block."""

from __future__ import annotations

from typing import Self

__all__ = ["Closeable"]


class Closeable:
    """A context manager that calls :meth:`close`."""

    def close(self) -> None:
        """Release what is held.  Idempotent."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
