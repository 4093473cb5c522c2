"""The one function that masks secrets in text that leaves the process or reaches the disk.

Texts for logs, exceptions and the meeting store may quote what a service or a library
wrote: signed addresses of audio, keys, tokens, control characters.  All of them pass through
:func:`mask`: the message of every :class:`~speech_adapters.errors.SpeechError`, the records of
our loggers, those of the HTTP libraries while they work for us, and every ``repr``.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["mask", "mask_library_logs", "mask_logger", "masked_cause", "masked_repr"]

_MASK: Final = "***"
# A hostile service may send megabytes: no pattern reads the same text again from each of its
# characters.  An address is therefore matched without a query too.
# The query of an address is dropped as a whole: besides a signature it may name a meeting.
_QUERY: Final = re.compile(
    r"(?P<address>\b[a-z][a-z0-9+.-]{0,30}://[^\s?\"'<>]*)(?:\?[^\s\"'<>]*)?"
    r"|\?[^\s\"'<>?]*=[^\s\"'<>]*",
    re.IGNORECASE,
)
# User name and password before a host, as in the address of a proxy.
_USER: Final = re.compile(r"(?P<scheme>://)[^\s/@]+@")
_BEARER: Final = re.compile(r"(?P<name>\bBearer(?:\s+|%20))[^\s\"',;]+", re.IGNORECASE)
# Not in "no token: REASON", which is no value.
_NAMED: Final = re.compile(
    r"(?P<name>(?:\bsig|(?<!no )\b(?:access_)?token|\bpassword|\bsecret|\bapi[-_]?key|\bkey(?==)"
    r"|\bAccountKey|\bSharedAccessSignature|\b(?:Ocp-Apim-)?Subscription-?Key|\bAuthorization)"
    r"[\"']?\s*[=:]\s*[\"']?)(?!Bearer\b)[^\s\"',;&]+",
    re.IGNORECASE,
)
# Secrets that are known by their form alone: a JSON web token with its two or three parts,
# the key of a Speech resource (84 characters) and of a storage account (64 bytes in base64).
# The older keys of 32 hexadecimal digits look like ids, which logs need: these are masked
# only behind a name.
_SHAPED: Final = re.compile(
    r"(?<![\w-])eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|\b[A-Za-z0-9]{84}\b|(?<![\w+/])[\w+/]{86}=="
)
# Codes that move the cursor, color the terminal or turn the direction of the text.
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Each writes addresses with their query: httpx at INFO, the others at DEBUG or as warnings.
# A filter of a logger does not apply to the loggers below it, so all are listed.
_LIBRARY_LOGGERS: Final = (
    "azure.core.pipeline.policies.http_logging_policy",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpx",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)
# The program may use the same libraries: its own requests are logged as they are.
_in_our_request: ContextVar[bool] = ContextVar("speech_adapters.in_our_request", default=False)


def mask(text: str) -> str:
    r"""Return ``text`` without signatures, keys, tokens, passwords and queries of addresses.

    The query of an address is removed; every other secret is replaced by ``***``.  Control
    characters other than tabs and line breaks are written as escapes: ``\x1b``.
    """
    text = _CONTROLS.sub(_escape, text)
    text = _QUERY.sub(lambda match: match["address"] or "", text)
    text = _USER.sub(rf"\g<scheme>{_MASK}@", text)
    text = _BEARER.sub(rf"\g<name>{_MASK}", text)
    text = _NAMED.sub(rf"\g<name>{_MASK}", text)
    return _SHAPED.sub(_MASK, text)


def masked_repr(value: object) -> str:
    """Return the masked ``repr`` of an attribute, for ``attrs.field(repr=masked_repr)``."""
    return mask(repr(value))


def masked_cause(error: BaseException) -> Exception:
    """Return an error of a library as a cause that may be printed: ``raise ... from``.

    The text of the original may quote secrets, but its kind, its text and the place where it
    was raised are needed to find the reason.
    """
    cause = Exception(mask(f"{type(error).__name__}: {error}"))
    return cause.with_traceback(error.__traceback__)


def mask_logger(name: str) -> None:
    """Mask all records of a logger of ours, tracebacks included.  Idempotent."""
    logging.getLogger(name).addFilter(_OURS)


@contextmanager
def mask_library_logs() -> Iterator[None]:
    """Mask what the HTTP libraries log inside the block, in this task and its threads."""
    for name in _LIBRARY_LOGGERS:
        logging.getLogger(name).addFilter(_LIBRARIES)  # added once only
    token = _in_our_request.set(True)
    try:
        yield
    finally:
        _in_our_request.reset(token)


class _MaskingFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask(record.getMessage()), None
        if record.exc_info and record.exc_info[0]:
            # Handlers use this text, if it is set, instead of the exception.
            record.exc_text = mask("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return True


class _LibraryFilter(_MaskingFilter):
    def filter(self, record: logging.LogRecord) -> bool:
        return super().filter(record) if _in_our_request.get() else True


_OURS: Final = _MaskingFilter()
_LIBRARIES: Final = _LibraryFilter()


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
