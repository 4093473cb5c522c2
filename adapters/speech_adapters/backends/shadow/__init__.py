"""Sends meetings to a second backend too, whose transcript is stored beside the first one's.

::

    push ──▶ primary ──▶ events, transcript            all that the program sees
        └──▶ spool file ──after the meeting──▶ second ──▶ transcript of ID-shadow
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_adapters.config import Options, Settings
from speech_adapters.contract import Backend
from speech_adapters.recording.backend import Host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speech_adapters.diagnosis import Check, Subject

__all__ = ["checks", "create", "options_model"]


def create(settings: Settings, host: Host) -> Backend:  # noqa: ARG001
    """Create the backend.

    Raises:
        ConfigurationError: an option is wrong, or the primary backend cannot be created.
    """
    # Imported only here: an unused backend costs nothing.
    from speech_adapters.backends.shadow.backend import ShadowBackend

    return ShadowBackend(host)


def options_model() -> type[Options]:
    """Return the class of the backend's options."""
    from speech_adapters.backends.shadow.options import ShadowOptions

    return ShadowOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.shadow.diagnose import backend_checks

    return backend_checks(subject)
