"""Meetings at a service with the retired interface, such as the gateway of this project.

::

    session ──▶ spool file ──driver (live), or a worker──▶ service ──ask by id──▶ meeting store

All channels are sent as a meeting with participants, live or by a worker.  An upload has all of
the audio, because the service has one meeting of an id, the newest (``runner.py``).  The transcript
is then requested from ``offlinetask`` (``answers.py`` reads it).
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
        MissingExtraError: a package of the extra ``remote_meeting`` is not installed.
        ConfigurationError: an option is wrong or missing.
    """
    from speech_adapters.backends.remote_meeting.options import NAME
    from speech_adapters.extras import need_packages
    from speech_adapters.speech_sdk.options import need_sdk

    need_sdk(NAME)
    need_packages(NAME, "httpx", "tenacity")
    # Imported only here, after the check: it imports these packages.
    from speech_adapters.backends.remote_meeting.backend import RemoteMeetingBackend

    return RemoteMeetingBackend(settings, host)


def options_model() -> type[Options]:
    """Return the class of the backend's options, which needs no package of an extra."""
    from speech_adapters.backends.remote_meeting.options import RemoteMeetingOptions

    return RemoteMeetingOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.remote_meeting.diagnose import backend_checks

    return backend_checks(subject)
