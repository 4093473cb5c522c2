"""Fast transcription for what is short enough for it, batch transcription for the rest."""

from __future__ import annotations

from speech_adapters.config import Settings
from speech_adapters.contract import Backend

__all__ = ["create"]


def create(settings: Settings) -> Backend:
    """Make the backend.

    Raises:
        MissingExtraError: a package of the extra ``batch`` is not installed.
        ConfigurationError: an option of it, of ``fast`` or of ``batch`` is wrong or missing.
    """
    from speech_adapters.azure.endpoint import need_packages

    need_packages("httpx", "tenacity", "azure.storage.blob")
    from speech_adapters.backends.auto.backend import AutoBackend

    return AutoBackend(settings)
