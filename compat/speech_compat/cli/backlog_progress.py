"""How far a run of a backlog is: on a terminal as a bar, otherwise as a line now and then."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from speech_adapters.backlog.items import Counts
from speech_adapters.errors import MissingExtraError
from speech_adapters.extras import need_packages
from speech_compat.cli.output import report

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["BacklogProgress", "format_duration"]

# The rate is that of the last minutes: a service may be slow at first.
_WINDOW_SECONDS: Final = 300.0
_SAMPLE_SECONDS: Final = 5.0
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


class BacklogProgress:
    """Shows the progress; a context manager.

    Args:
        name: the name of the backlog.
        every: seconds between two lines without a terminal; 0.0 for none.
        clock: returns the time in seconds.
    """

    def __init__(
        self, name: str, every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._every = every
        self._clock = clock
        self._due = clock() + every
        # Times, with the number of recordings that were final then.
        self._samples: deque[tuple[float, int]] = deque()
        self._bar = _open_bar(name)
        self._row = None if self._bar is None else self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def plan(self, text: str) -> None:
        """Show what is done before the start."""
        self._show(text, None, 0)

    def update(self, counts: Counts, in_flight: int) -> None:
        """Show the numbers of a run."""
        done = counts.completed + counts.failed
        self._sample(done)
        parts = [f"{counts.completed:,} of {counts.unfinished + done:,} transcribed"]
        if counts.failed:
            parts.append(f"{counts.failed:,} failed")
        parts.append(f"{in_flight:,} in flight")
        rate = self._rate()
        if rate:
            parts.append(f"{rate * _MINUTE:,.0f} a minute")
            parts.append(f"{format_duration(counts.unfinished / rate)} left")
        self._show(", ".join(parts), counts.unfinished + done, done)

    def _sample(self, done: int) -> None:
        now = self._clock()
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_SECONDS:
            self._samples.append((now, done))
        while now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()

    def _rate(self) -> float:
        """Return how many recordings end in a second; 0.0 if that is not known yet."""
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        return (after - before) / (end - start) if end > start else 0.0

    def _show(self, text: str, total: int | None, done: int) -> None:
        if self._bar is not None and self._row is not None:
            self._bar.update(self._row, description=text, total=total, completed=done)
        elif self._every and self._clock() >= self._due:
            self._due = self._clock() + self._every
            report(f"backlog {self._name}: {text}.")


def _open_bar(name: str) -> Progress | None:
    if not sys.stderr.isatty():
        return None
    try:
        need_packages("cli", "rich")
    except MissingExtraError as error:
        report(f"No bar is shown. {error}")
        return None
    # Imported only for a terminal, since rich takes longer to load than all the rest.
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn(f"{escape(name)}: {{task.description}}"),
        BarColumn(),
        TaskProgressColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)


def format_duration(length: float) -> str:
    """Return seconds as a short text: ``2 d 4 h``, ``3 h 20 min``, ``5 min`` or ``40 s``."""
    if length < _MINUTE:
        return f"{length:.0f} s"
    if length < _HOUR:
        return f"{length / _MINUTE:.0f} min"
    if length < _DAY:
        return f"{length // _HOUR:.0f} h {length % _HOUR / _MINUTE:.0f} min"
    return f"{length // _DAY:.0f} d {length % _DAY / _HOUR:.0f} h"
