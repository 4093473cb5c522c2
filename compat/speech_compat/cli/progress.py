"""Progress bar and status line on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["progress_bar", "status_line"]


@contextmanager
def progress_bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar for ``total`` ticks; yields a function that sets the offset in ticks."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        # Escaped: a file name may contain brackets, which rich would read as markup.
        task = bar.add_task(escape(title), total=total)
        yield lambda offset: bar.update(task, completed=offset)


@contextmanager
def status_line(title: str) -> Iterator[Callable[[str], None]]:
    """Show a status line; yields a function that updates it."""
    console = Console(stderr=True)
    with console.status(escape(title)) as status:
        yield lambda text: status.update(escape(f"{title}: {text}"))
