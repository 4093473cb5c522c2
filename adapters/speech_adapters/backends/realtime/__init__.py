"""Azure's real-time diarization through the Speech SDK: speakers live.

::

    session ──▶ spool file ──driver (a thread)──▶ Speech SDK ──▶ narrator ──▶ events
                                                                    └──▶ journal, store
"""

from __future__ import annotations

from speech_adapters.config import Settings
from speech_adapters.contract import Backend

__all__ = ["create"]


def create(settings: Settings) -> Backend:
    """Make the backend.

    Raises:
        MissingExtraError: the Speech SDK is not installed.
        ConfigurationError: an option is wrong or missing.
    """
    from speech_adapters.backends.realtime.options import need_sdk

    need_sdk()
    from speech_adapters.backends.realtime.backend import RealtimeBackend

    return RealtimeBackend(settings)
