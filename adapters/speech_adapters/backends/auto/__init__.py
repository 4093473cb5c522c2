"""Fast transcription for what is short enough for it, batch transcription for the rest."""

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
        MissingExtraError: a package of the extra ``batch`` is not installed.
        ConfigurationError: an option of it, of ``fast`` or of ``batch`` is wrong or missing.
    """
    # Imported only here: an unused backend costs nothing.
    from speech_adapters.backends.auto.backend import AutoBackend

    return AutoBackend(host)


def options_model() -> type[Options]:
    """Return the class of the backend's options, which needs no package of an extra."""
    from speech_adapters.backends.auto.options import AutoOptions

    return AutoOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.auto.diagnose import backend_checks

    return backend_checks(subject)
