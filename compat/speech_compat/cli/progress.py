"""Progress bars and status lines on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    """A row for all files, and below it bars and status lines of several files at a time.

    Args:
        weights: the weight of each file, such as its size, by which the time left is
            estimated.  One file has no row for all.
    """

    def __init__(self, weights: Sequence[int] = ()) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        # Standard output is not redirected: rich would send it to standard error.
        self._progress = Progress(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            # Long, because the files end in steps.
            speed_estimate_period=300,
        )
        self._files = len(weights)
        self._ended = self._failed = 0
        # Without any size each file counts the same.
        self._unit = 0 if sum(weights) else 1
        self._done = 0.0
        # Share of the weight of each file that is being transcribed, by its row.
        self._active: dict[TaskID, float] = {}
        total = sum(weights) or len(weights)
        self._all = self._progress.add_task("", total=total) if len(weights) > 1 else None
        self._update_all()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def bar(
        self, title: str, total: int | None, weight: int = 0
    ) -> Iterator[Callable[[int], None]]:
        """Show a bar for ``total`` ticks; yields a function that sets the offset in ticks."""
        with self._row(title, total) as row:

            def move(offset: int) -> None:
                self._progress.update(row, completed=offset)
                self._active[row] = weight * min(offset / total, 1) if total else 0
                self._update_all()

            yield move

    @contextmanager
    def status(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show a status line; yields a function that updates it."""
        with self._row(title, None) as row:
            yield lambda text: self._progress.update(row, description=escape(f"{title}: {text}"))

    def ended(self, weight: int, *, failed: bool) -> None:
        """Count a file that has ended."""
        self._ended += 1
        self._failed += failed
        self._done += weight + self._unit
        self._update_all()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remove the display while standard output is written, which may be the same terminal."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def _update_all(self) -> None:
        if self._all is None:
            return
        failed = f", {self._failed} failed" if self._failed else ""
        self._progress.update(
            self._all,
            completed=self._done + sum(self._active.values()),
            description=f"{self._ended} of {self._files} files{failed}",
        )

    @contextmanager
    def _row(self, title: str, total: int | None) -> Iterator[TaskID]:
        # Escaped: a file name may contain brackets, which rich would read as markup.
        row = self._progress.add_task(escape(title), total=total)
        try:
            yield row
        finally:
            self._active.pop(row, None)
            self._progress.refresh()
            self._progress.remove_task(row)
