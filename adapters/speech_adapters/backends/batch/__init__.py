"""Azure's batch transcription with diarization, for stored meetings.

::

    session ──▶ spool file ──upload──▶ blob storage ──submit──▶ job ──poll──▶ meeting store

``job_runner.py`` notes each stage before the next, so any process can continue.  ``submit.py``
submits a job once, ``completion.py`` merges the results of all jobs of a recording, and
``cleanup.py`` deletes jobs and blobs.
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
        MissingExtraError: a package of the extra ``batch`` is not installed, or one of ``audio``
            that the option ``flac`` needs.
        ConfigurationError: an option is wrong or missing.
    """
    from speech_adapters.extras import need_packages

    need_packages("batch", "httpx", "tenacity", "azure.storage.blob")
    # Imported only here, after the check: it imports these packages.
    from speech_adapters.backends.batch.backend import BatchBackend

    return BatchBackend(host)


def options_model() -> type[Options]:
    """Return the class of the backend's options, which needs no package of an extra."""
    from speech_adapters.backends.batch.options import BatchOptions

    return BatchOptions


def checks(subject: Subject) -> Sequence[Check]:
    """Return the checks of the backend, which need no package of an extra."""
    from speech_adapters.backends.batch.diagnose import backend_checks

    return backend_checks(subject)
