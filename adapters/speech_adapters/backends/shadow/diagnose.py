"""The checks of the shadow backend: those of the two backends that it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from speech_adapters import registry
from speech_adapters.backends.shadow.options import shadow_options
from speech_adapters.diagnosis import AUDIO, Check, Finding, Subject, ok
from speech_adapters.errors import ConfigurationError

__all__ = ["backend_checks"]


def backend_checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend and of both that it uses."""
    return tuple(_checks(subject))


def _checks(subject: Subject) -> Iterator[Check]:
    async def options() -> Finding:
        found = shadow_options(subject.settings)
        return ok(f"programs are served by {found.primary}; the audio goes to {found.second} too")

    yield Check("options", "Options", options)
    try:
        found = shadow_options(subject.settings)
    except ConfigurationError:  # a finding of the check above
        return
    for name in (found.primary, found.second):
        for check in registry.backend_checks(name, subject):
            # A file for the programs goes to the primary backend.
            whole = check.id == AUDIO and name == found.primary
            yield attrs.evolve(
                check,
                id=check.id if whole else f"{name}.{check.id}",
                title=f"{check.title} ({name})",
            )
