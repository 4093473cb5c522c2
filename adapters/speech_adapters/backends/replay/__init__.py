"""Plays a stored transcript or an event script instead of recognizing audio, for tests.

::

    push ──▶ spool file (its length is the clock)    script ──▶ events, transcript
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from speech_adapters.config import Options, Settings
from speech_adapters.contract import Backend
from speech_adapters.recording.backend import Host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speech_adapters.diagnosis import Check, Subject

__all__ = ["KEEPS_NOTHING_ELSEWHERE", "checks", "create", "options_model"]

# So meetings can be deleted where the script is missing.
KEEPS_NOTHING_ELSEWHERE: Final = True


def create(settings: Settings, host: Host) -> Backend:
    """Create the backend; blocks while the script is read.

    Raises:
        ConfigurationError: an option is wrong, or the script is.
    """
    from speech_adapters.backends.replay.backend import ReplayBackend
    from speech_adapters.backends.replay.options import replay_options
    from speech_adapters.backends.replay.recorder import ScriptRecorder

    options = replay_options(settings)
    return ScriptRecorder(options, host) if options.record else ReplayBackend(options, host)


def options_model() -> type[Options]:
    """Return the class of the backend's options."""
    from speech_adapters.backends.replay.options import ReplayOptions

    return ReplayOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.replay.diagnose import backend_checks

    return backend_checks(subject)
