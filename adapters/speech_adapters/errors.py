"""All errors that a backend may raise, in one small tree.

::

    SpeechError
    ├── ConfigurationError        a setting is wrong; nothing was started
    │   ├── NoBackendError        no backend serves the request, for the reasons listed
    │   └── MissingExtraError     an optional package is not installed
    ├── UnsupportedError          strict mode: a requested feature would be lost
    ├── AudioError                the audio cannot be used as it is
    ├── VoiceSignatureError       a voice signature cannot be used, for the reason in the message
    ├── MeetingNotFoundError      no meeting has the id
    ├── MeetingFailedError        the meeting failed, for the reason in the message
    ├── MeetingBusyError          another process is recording the meeting    (retryable)
    ├── StoreError                the meeting store cannot be read or written
    │   └── StoreCorruptError     the store was damaged and has been set aside
    └── BackendError              the engine or service failed
        ├── AuthenticationError   the service refused the key or token
        ├── RefusedError          the service refused the request as invalid
        ├── ThrottledError        too many requests                           (retryable)
        └── UnavailableError      the service is overloaded or unreachable    (retryable)
            ├── ServiceFailedError   the service reported an internal error   (retryable)
            ├── TimedOutError        the service did not answer in time       (retryable)
            └── UnreachableError     no connection to the service             (retryable)

A message states what happened, why, and what to do.  It never contains a transcript,
a participant's name, a voice signature, a key or a token.  Text of a service or a library
that a message quotes is masked by :class:`SpeechError` itself.
"""

from __future__ import annotations

from typing import ClassVar

from speech_adapters.masking import mask
from speech_adapters.setting_names import with_environment_names

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
    "VoiceSignatureError",
]


class SpeechError(Exception):
    """Root of the tree.

    Args:
        message: what happened; secrets in it are masked (see :mod:`speech_adapters.masking`),
            and the environment variables of the settings that it names are added.

    Attributes:
        retryable: whether the same call may succeed later.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "") -> None:
        # Here, because messages end up in logs, in the meeting store and on terminals.
        super().__init__(mask(with_environment_names(message)))


class ConfigurationError(SpeechError):
    """A setting is wrong; nothing was started."""


class NoBackendError(ConfigurationError):
    """No backend serves the request.

    Attributes:
        rejected: the reason for each backend's rejection, by the backend's name.
    """

    def __init__(self, message: str, rejected: dict[str, str] | None = None) -> None:
        self.rejected = dict(rejected or {})
        reasons = "".join(f"\n  {name}: {why}" for name, why in self.rejected.items())
        super().__init__(message + reasons)


class MissingExtraError(ConfigurationError):
    """An optional package is not installed; the message contains the command to install it."""


class UnsupportedError(SpeechError):
    """Strict mode: a feature that the program requested would be lost."""


class AudioError(SpeechError):
    """The audio cannot be used as it is."""


class VoiceSignatureError(SpeechError):
    """A voice signature cannot be used; the message does not quote it.

    Attributes:
        reason: why, as the rest of a sentence that begins with "it".
    """

    def __init__(self, message: str = "", reason: str = "") -> None:
        self.reason = reason
        super().__init__(message)


class MeetingNotFoundError(SpeechError):
    """No meeting has the id."""


class MeetingFailedError(SpeechError):
    """The meeting failed, for the reason in the message."""


class MeetingBusyError(SpeechError):
    """Another process is recording the meeting."""

    retryable = True


class StoreError(SpeechError):
    """The meeting store cannot be read or written."""


class StoreCorruptError(StoreError):
    """The meeting store was damaged and has been set aside."""


class BackendError(SpeechError):
    """The engine or service failed."""


class AuthenticationError(BackendError):
    """The service refused the key or token."""


class RefusedError(BackendError):
    """The service refused the request as invalid; sending it again cannot help."""


class ThrottledError(BackendError):
    """The service refused the request because there were too many."""

    retryable = True


class UnavailableError(BackendError):
    """The service is overloaded or unreachable; a later call may succeed."""

    retryable = True


class ServiceFailedError(UnavailableError):
    """The service reported an internal error."""


class TimedOutError(UnavailableError):
    """The service did not answer in time."""


class UnreachableError(UnavailableError):
    """No connection to the service could be made, or it was lost."""
