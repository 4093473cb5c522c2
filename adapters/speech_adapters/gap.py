"""What a program would lose, and the warning of it."""

from __future__ import annotations

from typing import Final

import attrs

from speech_adapters.setting_names import with_environment_names

__all__ = ["Gap", "GapWarning", "describe"]


# Relative to the repository: the page has a section for each code.
_PAGE: Final = "docs/warnings.md"


@attrs.frozen
class Gap:
    """Something a program asks for that a backend will not do.

    Attributes:
        id: stable name, for documentation and filters.
        reason: what is lost and why.
        way_out: what to do about it.
        blocking: whether no useful result would remain, so the backend is rejected.
        code: stable code, ``SC`` and three digits, which begins the text of the warning.
    """

    id: str
    reason: str
    way_out: str
    blocking: bool = False
    code: str = ""

    @property
    def link(self) -> str:
        """Where the documentation explains it."""
        return f"{_PAGE}#{self.code.lower()}" if self.code else _PAGE


class GapWarning(UserWarning):
    """A warning of what a program loses; ``docs/warnings.md`` has a section for each code.

    Its text begins with the code, so the filters of :mod:`warnings` can select it:
    ``python -W "ignore:SC111"``, or ``filterwarnings("error", "SC111")``.

    Attributes:
        gap: what is lost.
        backend: name of the backend, or an empty text if the loss is the same with all.
    """

    def __init__(self, gap: Gap, backend: str = "") -> None:
        super().__init__(gap, backend)
        self.gap = gap
        self.backend = backend

    def __str__(self) -> str:
        return f"{self.gap.code}: {describe(self.gap, self.backend)} See {self.gap.link}"


def describe(gap: Gap, backend: str = "") -> str:
    """Return what is lost and what to do about it, with the variables of the settings to change."""
    subject = f"Backend {backend!r} " if backend else ""
    return with_environment_names(f"{subject}[{gap.id}]: {gap.reason}; {gap.way_out}.")
