"""The display of the progress: rich's on a terminal if it is installed, otherwise none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from speech_adapters.errors import MissingExtraError
from speech_adapters.extras import need_packages
from speech_compat.cli.output import report

if TYPE_CHECKING:
    from speech_compat.cli.progress import ProgressDisplay

__all__ = ["Display", "NoDisplay", "open_display"]


class NoDisplay:
    """Shows nothing: standard error is not a terminal."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def bar(
        self, _title: str, _total: int | None, _weight: int = 0
    ) -> AbstractContextManager[Callable[[int], Any]]:
        """Yield a function that does nothing."""
        return nullcontext(_ignore)

    def status(self, _title: str) -> AbstractContextManager[Callable[[str], Any]]:
        """Yield a function that does nothing."""
        return nullcontext(_ignore)

    def ended(self, _weight: int, *, failed: bool) -> None:
        """Do nothing."""

    def paused(self) -> AbstractContextManager[Any]:
        """Do nothing."""
        return nullcontext()


# A string, so that rich is not imported.
Display: TypeAlias = "ProgressDisplay | NoDisplay"


def open_display(weights: Sequence[int]) -> Display:
    """Return the display for files of these weights; see ``ProgressDisplay``."""
    if not sys.stderr.isatty():
        return NoDisplay()
    try:
        need_packages("cli", "rich")
    except MissingExtraError as error:
        # The transcript is what the command is for, and does not need it.
        report(f"No progress is shown. {error}")
        return NoDisplay()
    # Imported only for a terminal, since rich takes longer to load than all the rest.
    from speech_compat.cli.progress import ProgressDisplay

    return ProgressDisplay(weights)


def _ignore(_: object) -> None:
    """Do nothing."""
