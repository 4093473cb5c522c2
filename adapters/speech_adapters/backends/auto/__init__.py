"""Fast transcription for what is short enough for it, batch transcription for the rest."""

from __future__ import annotations

from speech_adapters.config import Settings
from speech_adapters.contract import Backend
from speech_adapters.recording.backend import Host

__all__ = ["create"]


def create(settings: Settings, host: Host) -> Backend:  # noqa: ARG001
    """Create the backend.

    Raises:
        MissingExtraError: a package of the extra ``batch`` is not installed.
        ConfigurationError: an option of it, of ``fast`` or of ``batch`` is wrong or missing.
    """
    # Imported only here: an unused backend costs nothing.
    from speech_adapters.backends.auto.backend import AutoBackend

    return AutoBackend(host)
