"""What of the inside may be sent to a client: errors, and texts of a status.

The original texts name stored ids, folders of the machine and what a service wrote.  Errors have
a fixed text for each class instead; the original is logged for the operator.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    BackendError,
    ConfigurationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    RefusedError,
    ServiceFailedError,
    SpeechError,
    StoreError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
    UnreachableError,
    UnsupportedError,
    VoiceSignatureError,
)
from speech_adapters.masking import mask

__all__ = ["outward", "outward_text"]

_LATER: Final = "Try again later."
_OPERATOR: Final = "The operator of this gateway finds the reason in its log."
# Subclasses come before their base class: the first match counts.
_TEXTS: Final[tuple[tuple[type[SpeechError], str], ...]] = (
    (MeetingNotFoundError, "There is no meeting of that id, or it was deleted."),
    (MeetingFailedError, "The meeting failed; its status has the reason."),
    (MeetingBusyError, f"The meeting is being recorded or is not finished yet. {_LATER}"),
    (AudioError, "The audio cannot be used."),
    (VoiceSignatureError, "The voice signature cannot be used."),
    (UnsupportedError, f"This gateway does not support the request. {_OPERATOR}"),
    (ConfigurationError, f"This gateway is configured wrongly for the request. {_OPERATOR}"),
    (StoreError, f"The meeting store cannot be used. {_OPERATOR}"),
    (AuthenticationError, f"The speech service refused this gateway. {_OPERATOR}"),
    (RefusedError, f"The speech service refused the request. {_OPERATOR}"),
    (ThrottledError, f"The speech service has too many requests. {_LATER}"),
    (UnreachableError, f"The speech service cannot be reached. {_LATER}"),
    (TimedOutError, f"The speech service did not answer in time. {_LATER}"),
    (ServiceFailedError, f"The speech service reported an internal error. {_LATER}"),
    (UnavailableError, f"The speech service is not available. {_LATER}"),
    (BackendError, f"The speech engine or service failed. {_OPERATOR}"),
    (SpeechError, f"The request failed. {_OPERATOR}"),
)
# What the client itself caused needs no operator.
_OF_THE_CLIENT: Final = (MeetingNotFoundError, MeetingFailedError, MeetingBusyError, AudioError)
# Addresses, and paths on this machine.
_PLACES: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]{0,30}://[^\s'\"<>]+|(?<![\w/.])(?:[A-Za-z]:)?[/\\][^\s'\",;:()]+",
    re.IGNORECASE,
)
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
_logger = logging.getLogger("speech_compat.gateway")


def outward(error: SpeechError, stored_id: str = "") -> SpeechError:
    """Return an error of a public class with a text that may be sent to a client.

    An error that such a text cannot explain is logged for the operator.  An error that this
    function returned is returned as it is.

    Args:
        error: the error.
        stored_id: the id in the store of the meeting concerned, which the log must not contain.
    """
    kind, text = next(found for found in _TEXTS if isinstance(error, found[0]))
    if str(error) == text:
        return error
    if not isinstance(error, _OF_THE_CLIENT):
        # The id may be a name, and it comes from outside.
        shown = _without(str(error), stored_id, _ELLIPSIS) if stored_id else str(error)
        _logger.warning("A request to the gateway failed. %s: %s", type(error).__name__, shown)
    return kind(text)


def outward_text(text: str, stored_id: str, client_id: str) -> str:
    """Return a text of a meeting's status without places of the inside.

    Args:
        text: the text.
        stored_id: the id of the meeting in the store.
        client_id: the id by which the client knows the meeting, which replaces the other.
    """
    return _PLACES.sub(_ELLIPSIS, mask(_without(text, stored_id, client_id)))


def _without(text: str, stored_id: str, replacement: str) -> str:
    """Return a text without a stored id, which it may contain quoted, with escapes."""
    for form in (repr(stored_id)[1:-1], stored_id):
        text = text.replace(form, replacement)
    return text
