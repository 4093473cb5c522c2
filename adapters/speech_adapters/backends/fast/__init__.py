"""Azure's fast transcription with diarization: one request with the audio, one answer.

For stored meetings that are short enough for the service.  Its limits have changed from 2
to 5 hours and from 200 to 500 MB; it refuses a file that is too long or too large.
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
        MissingExtraError: a package of the extra ``batch`` is not installed.
        ConfigurationError: an option is wrong or missing.
    """
    from speech_adapters.extras import need_packages

    need_packages("batch", "httpx", "tenacity")
    # Imported only here, after the check: it imports these packages.
    from speech_adapters.backends.fast.backend import FastBackend

    return FastBackend(host)


def options_model() -> type[Options]:
    """Return the class of the backend's options, which needs no package of an extra."""
    from speech_adapters.backends.fast.options import FastOptions

    return FastOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.fast.diagnose import backend_checks

    return backend_checks(subject)
