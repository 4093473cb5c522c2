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
        ├── RefusedError          the service says that the request is wrong
        ├── ThrottledError        too many requests                           (retryable)
        └── UnavailableError      overloaded just now                         (retryable)
            ├── ServiceFailedError   something went wrong inside the service  (retryable)
            ├── TimedOutError        it did not answer in time                (retryable)
            └── UnreachableError     there is no connection to it             (retryable)

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
    "RefusedError",
    "ServiceFailedError",
    "SpeechError",
    "StoreCorruptError",
    "StoreError",
    "ThrottledError",
    "TimedOutError",
    "UnavailableError",
    "UnreachableError",
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
        rejected: each backend's name with the reason it was passed over.
    """

    def __init__(self, message: str, rejected: dict[str, str] | None = None) -> None:
        self.rejected = dict(rejected or {})
        reasons = "".join(f"\n  {name}: {why}" for name, why in self.rejected.items())
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


class RefusedError(BackendError):
    """The service says that the request is wrong: it would say so again."""


class ThrottledError(BackendError):
    """Too many requests."""

    retryable = True


class UnavailableError(BackendError):
    """The service is overloaded, or not there, just now."""

    retryable = True


class ServiceFailedError(UnavailableError):
    """Something went wrong inside the service."""


class TimedOutError(UnavailableError):
    """The service did not answer in time."""


class UnreachableError(UnavailableError):
    """There is no connection to the service."""
