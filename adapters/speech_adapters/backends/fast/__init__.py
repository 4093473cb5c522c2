"""Azure's fast transcription with diarization: one request with the audio, one answer.

For stored meetings that are short enough for the service (its limits changed from 2 to
5 hours and from 200 to 500 MB; it says so itself when a file is too long for it).
"""

from __future__ import annotations

from speech_adapters.config import Settings
from speech_adapters.contract import Backend

__all__ = ["create"]


def create(settings: Settings) -> Backend:
    """Make the backend.

    Raises:
        MissingExtraError: a package of the extra ``batch`` is not installed.
        ConfigurationError: an option is wrong or missing.
    """
    from speech_adapters.azure.endpoint import need_packages

    need_packages("httpx", "tenacity")
    from speech_adapters.backends.fast.backend import FastBackend

    return FastBackend(settings)
