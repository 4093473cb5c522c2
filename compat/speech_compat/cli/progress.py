"""Progress bars and status lines on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["ProgressDisplay"]


class ProgressDisplay:
    """Bars and status lines of several files at a time, one below the other."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def bar(self, title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show a bar for ``total`` ticks; yields a function that sets the offset in ticks."""
        with self._row(title, total) as row:
            yield lambda offset: self._progress.update(row, completed=offset)

    @contextmanager
    def status(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a status line; yields a function that updates it."""
        with self._row(title, None) as row:
            yield lambda text: self._progress.update(row, description=escape(f"{title}: {text}"))

    @contextmanager
    def _row(self, title: str, total: int | None) -> Iterator[TaskID]:
        # Escaped: a file name may contain brackets, which rich would read as markup.
        row = self._progress.add_task(escape(title), total=total)
        try:
            yield row
        finally:
            self._progress.refresh()
            self._progress.remove_task(row)
