"""The embedded default: an offline engine on this machine, from the extra ``local``.

::

    session ──writes──▶ spool file ──read by──▶ worker process ──▶ engine
       ▲                                          │      │
       └───────────── live events ────────────────┘      └─▶ meeting store

Nothing here opens a network connection.
"""

from __future__ import annotations

from speech_adapters.config import Settings
from speech_adapters.contract import Backend

__all__ = ["create"]


def create(settings: Settings) -> Backend:
    """Make the backend.

    Raises:
        MissingExtraError: the engine's package is not installed.
        ConfigurationError: an option is wrong.
    """
    from speech_adapters.backends.local.backend import LocalBackend

    return LocalBackend(settings)
