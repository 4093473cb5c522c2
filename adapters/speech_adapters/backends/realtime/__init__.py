"""Azure's real-time diarization through the Speech SDK: speakers live.

::

    session ──▶ spool file ──feeder (a thread)──▶ Speech SDK ──▶ normalizer ──▶ events
                                                                     └──▶ journal, store

One channel is sent.  Each utterance is in the journal before its event is emitted, so a worker
continues at the journal's end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_adapters.config import Options, Settings
from speech_adapters.contract import Backend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speech_adapters.diagnosis import Check, Subject
    from speech_adapters.recording.backend import Host

__all__ = ["checks", "create", "options_model"]


def create(settings: Settings, host: Host) -> Backend:
    """Create the backend; the SDK itself is imported with the first meeting.

    Raises:
        MissingExtraError: the Speech SDK is not installed.
        ConfigurationError: an option is wrong or missing.
    """
    from speech_adapters.speech_sdk.options import need_sdk

    need_sdk("realtime")
    from speech_adapters.backends.realtime.backend import RealtimeBackend

    return RealtimeBackend(settings, host)


def options_model() -> type[Options]:
    """Return the class of the backend's options, which needs no package of an extra."""
    from speech_adapters.backends.realtime.options import RealtimeOptions

    return RealtimeOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.realtime.diagnose import backend_checks

    return backend_checks(subject)
