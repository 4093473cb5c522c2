"""The embedded default: an offline engine on this machine, from the extra ``local``.

::

    session ──writes──▶ spool file ──read by──▶ worker process ──▶ engine
       ▲                                          │      │
       └───────────── live events ────────────────┘      └─▶ meeting store

The live sessions of a program share one engine process (``engine_process.py`` in the program,
``engine_server.py`` in the process), with a thread for each meeting and one set of models.  Stored
recordings wait in the store, and workers (``worker.py``) transcribe them in order.  ``live.py``
recognizes a recording while it is spoken, ``stored.py`` as a whole.

No module of this folder opens a network connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from speech_adapters.config import Options, Settings
from speech_adapters.contract import Backend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speech_adapters.diagnosis import Check, Subject
    from speech_adapters.recording.backend import Host

__all__ = ["KEEPS_NOTHING_ELSEWHERE", "checks", "create", "options_model"]

# So meetings can be deleted where the engine is not installed.
KEEPS_NOTHING_ELSEWHERE: Final = True


def create(settings: Settings, host: Host) -> Backend:
    """Create the backend.

    Raises:
        MissingExtraError: the engine's package is not installed.
        ConfigurationError: an option is wrong.
    """
    # Imported late, so that the list of backends costs no imports.
    from speech_adapters.backends.local.backend import LocalBackend

    return LocalBackend(settings, host)


def options_model() -> type[Options]:
    """Return the class of the backend's options, which needs no package of an extra."""
    from speech_adapters.backends.local.options import LocalOptions

    return LocalOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.local.diagnose import backend_checks

    return backend_checks(subject)
