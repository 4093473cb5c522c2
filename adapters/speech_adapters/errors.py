"""Every error a backend may raise, in one small tree.

::

    SpeechError
    ├── ConfigurationError        a setting is wrong; nothing was started
    │   ├── NoBackendError        no backend serves the request: each with its reason
    │   └── MissingExtraError     an optional package is not installed
    ├── UnsupportedError          strict mode: something asked for would be lost
    ├── AudioError                the audio cannot be used as it is
    ├── MeetingNotFoundError      no meeting has that id
    ├── MeetingFailedError        the meeting was processed and failed, for the reason given
    ├── MeetingBusyError          another process is recording that meeting   (retryable)
    ├── StoreError                the meeting store cannot be read or written
    │   └── StoreCorruptError     it was damaged and has been put aside
    └── BackendError              the engine or service failed
        ├── AuthenticationError   key or token refused
        ├── ThrottledError        too many requests                           (retryable)
        └── UnavailableError      not reachable or overloaded just now        (retryable)

A message says what happened, why, and what to do.  It never holds a transcript,
a participant's name, a voice signature, a key or a token.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AudioError",
    "AuthenticationError",
    "BackendError",
    "ConfigurationError",
    "MeetingBusyError",
    "MeetingFailedError",
    "MeetingNotFoundError",
    "MissingExtraError",
    "NoBackendError",
    "SpeechError",
    "StoreCorruptError",
    "StoreError",
    "ThrottledError",
    "UnavailableError",
    "UnsupportedError",
]


class SpeechError(Exception):
    """Root of the tree; ``retryable`` says whether the same call may succeed later."""

    retryable: ClassVar[bool] = False


class ConfigurationError(SpeechError):
    """A setting is wrong; nothing was started."""


class NoBackendError(ConfigurationError):
    """No backend serves the request.

    Attributes:
        passed_over: each backend's name with the reason it was passed over.
    """

    def __init__(self, message: str, passed_over: dict[str, str] | None = None) -> None:
        self.passed_over = dict(passed_over or {})
        reasons = "".join(f"\n  {name}: {why}" for name, why in self.passed_over.items())
        super().__init__(message + reasons)


class MissingExtraError(ConfigurationError):
    """An optional package is not installed; the message says how to get it."""


class UnsupportedError(SpeechError):
    """Strict mode: something the program asked for would be lost."""


class AudioError(SpeechError):
    """The audio cannot be used as it is."""


class MeetingNotFoundError(SpeechError):
    """No meeting has that id."""


class MeetingFailedError(SpeechError):
    """The meeting was processed and failed, for the reason in the message."""


class MeetingBusyError(SpeechError):
    """Another process is recording that meeting."""

    retryable = True


class StoreError(SpeechError):
    """The meeting store cannot be read or written."""


class StoreCorruptError(StoreError):
    """The meeting store was damaged and has been put aside."""


class BackendError(SpeechError):
    """The engine or service failed."""


class AuthenticationError(BackendError):
    """Key or token refused."""


class ThrottledError(BackendError):
    """Too many requests."""

    retryable = True


class UnavailableError(BackendError):
    """Not reachable or overloaded just now."""

    retryable = True
