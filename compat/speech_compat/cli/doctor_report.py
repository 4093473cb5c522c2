"""The results of the command ``doctor``, and the interface of what presents them."""

from __future__ import annotations

from typing import Protocol

import attrs

from speech_adapters.diagnosis import Finding, Level

__all__ = ["Diagnosis", "Group", "Report", "is_failure"]


@attrs.frozen
class Group:
    """What the checks of a group are about.

    Attributes:
        id: ``settings``, ``machine``, ``store``, ``audio`` or ``backend``.
        title: its title for people.
        backend: the backend that the checks concern; empty for all.
    """

    id: str
    title: str
    backend: str = ""


@attrs.frozen
class Diagnosis:
    """The result of one check.

    Attributes:
        group: the group of the check.
        id: the check, for programs.
        title: the check, for people.
        finding: what it found.
    """

    group: Group
    id: str
    title: str
    finding: Finding


class Report(Protocol):
    """Presents the results, in the order in which they come."""

    def begin(self, backend: str | None, *, online: bool) -> None:
        """Begin; the backend is ``None`` if the settings that select it cannot be read."""
        ...

    def add(self, diagnosis: Diagnosis) -> None:
        """Present the result of a check."""
        ...

    def add_other(self, name: str, reason: str) -> None:
        """Present a backend that was not checked.

        Args:
            name: the backend.
            reason: why it cannot be used with these settings; empty if it can.
        """
        ...

    def end(self) -> int:
        """End, and return the exit code."""
        ...


def is_failure(diagnosis: Diagnosis, backend: str | None) -> bool:
    """Return whether a result is a failure of the selected backend, or of all backends."""
    return diagnosis.finding.level is Level.FAILED and diagnosis.group.backend in ("", backend)
