"""What the answers of the Azure services and failed connections become: errors of the tree.

Errors name status, code and request id of the service.  All quoted text is masked, because
addresses may hold a signature.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    ConfigurationError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.masking import mask

__all__ = [
    "LONGEST_PAUSE",
    "UNSENDABLE",
    "ForbiddenError",
    "InterruptedAnswerError",
    "RejectedError",
    "had_no_effect",
    "is_refusal",
    "is_retryable",
    "parse_json",
    "quoted",
    "refusal",
    "request_id",
    "retry_after",
    "target",
    "unreachable",
    "unsendable",
    "was_not_billed",
]

# In seconds.  A wrong value or a wrong clock, of either side, must not stop the requests: one
# that comes too early costs nothing but another refusal.
LONGEST_PAUSE: Final = 300.0
_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
# Errors about the request itself, which would fail again.  The last one: a header with half a
# surrogate pair.
UNSENDABLE: Final = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    UnicodeEncodeError,
)
# The connection failed when the request had been sent.
_LOST_ANSWER: Final = (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError)
_REQUEST_ID_HEADERS: Final = ("apim-request-id", "x-ms-request-id", "x-requestid")
# Longest message of the service that an error quotes.
_MESSAGE_LENGTH: Final = 300
# Longest code, request id or media type.
_NAME_LENGTH: Final = 100


class ForbiddenError(AuthenticationError):
    """The service refused a valid key or token: its role, network or tier does not suffice."""


class InterruptedAnswerError(UnreachableError):
    """The connection was lost after the request was sent: it may have had its effect."""


class RejectedError(RefusedError):
    """The service refused a request for good.

    Attributes:
        status: the HTTP status.
        code: the innermost code of the service's answer, or empty.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def parse_json(response: httpx.Response) -> Any:
    """Return the JSON document of an answer.

    Raises:
        ValueError: it is none, or is nested so deeply that it cannot be read.
    """
    try:
        return response.json()
    except RecursionError:
        raise ValueError("the document is nested too deeply") from None


def retry_after(response: httpx.Response) -> float | None:
    """Return the pause that an answer requests, in seconds, or ``None``.

    At most :data:`LONGEST_PAUSE`.
    """
    requested = _requested_pause(response.headers.get("retry-after", "").strip())
    if requested is None or math.isnan(requested):
        return None
    return min(max(requested, 0.0), LONGEST_PAUSE)


def _requested_pause(text: str) -> float | None:
    """Return the number of seconds, or the seconds until the date, in the text."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def is_retryable(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _RETRYABLE
    return isinstance(error, httpx.TransportError) and not isinstance(error, UNSENDABLE)


def is_refusal(error: BaseException) -> bool:
    """Return whether the service refused the request, and would refuse it again.

    An invalid key (401) is none: programs replace keys and tokens.
    """
    # An answer of status 2xx that is no JSON may follow a request that was accepted.
    refused = isinstance(error, RejectedError) and not httpx.codes.is_success(error.status)
    return refused or isinstance(error, ForbiddenError)


def had_no_effect(error: BaseException) -> bool:
    """Return whether the service certainly did nothing, and may accept the request later.

    A request that creates something is repeated only then.  An answer 503 proves it only
    with ``Retry-After``: without, it may come from a proxy that lost the service's answer.
    """
    if isinstance(error, httpx.HTTPStatusError):
        response = error.response
        return response.status_code == httpx.codes.TOO_MANY_REQUESTS or (
            response.status_code == httpx.codes.SERVICE_UNAVAILABLE
            and "retry-after" in response.headers
        )
    # No connection was made, so nothing was sent.
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def was_not_billed(error: BaseException) -> bool:
    """Return whether a request for a transcript, which failed, may succeed later without a bill.

    The services bill results, so every refusal is free, but not an answer that was lost.
    """
    return is_retryable(error) and not isinstance(error, _LOST_ANSWER)


def refusal(response: httpx.Response) -> BackendError:
    """Return the error for an answer of status 4xx or 5xx whose body is read."""
    status = response.status_code
    code, message = _reason(response)
    what = f"{target(response)} refused the request ({status}{f' {code}' if code else ''})"
    text = f"{what}: {message or response.reason_phrase}{request_id(response)}"
    if status == httpx.codes.FORBIDDEN:
        return ForbiddenError(f"{text} Check key, region and roles.")
    if status == httpx.codes.UNAUTHORIZED:
        return AuthenticationError(f"{text} Check key, region and roles.")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ThrottledError(f"{text} Ask again later.")
    if status in _RETRYABLE:
        return UnavailableError(f"{text} Nothing is lost: ask again later.")
    return RejectedError(text, status, code)


def target(response: httpx.Response) -> str:
    """Return method and address of the request, without the query."""
    return mask(f"{response.request.method} {response.request.url}")


def request_id(response: httpx.Response) -> str:
    """Return the end of a sentence: the service's id of the request if it is known, a period."""
    found = next((response.headers[n] for n in _REQUEST_ID_HEADERS if n in response.headers), "")
    return f" (request id {quoted(found, _NAME_LENGTH)})." if found else "."


def quoted(text: str, length: int = _MESSAGE_LENGTH) -> str:
    """Return text of a service as an error quotes it: masked, on one line, not too long."""
    # Masked first, so that no piece of a secret is left.
    return " ".join(mask(text).split())[:length]


def unreachable(error: httpx.TransportError) -> UnreachableError:
    """Return the error for a connection that failed in every attempt."""
    reason = mask(str(error)) or type(error).__name__
    kind = InterruptedAnswerError if isinstance(error, _LOST_ANSWER) else UnreachableError
    return kind(
        f"{_host(error)} cannot be reached: {reason}. Check the network,"
        " the region and the endpoint; nothing is lost, ask again later."
    )


def unsendable(address: httpx.URL | str, error: Exception) -> ConfigurationError:
    """Return the error for a request that cannot be sent as it is, whatever the service does."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return ConfigurationError(
            f"{quoted(str(address))} is no address of a service: {quoted(str(error))}."
            " Check the endpoint."
        )
    # Without the text of the error, which quotes the header: it is the credential.
    return ConfigurationError(
        "The key or token, or another text of the request, has characters that cannot be sent,"
        f" such as line breaks ({type(error).__name__}). Copy the key again."
    )


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _reason(response: httpx.Response) -> tuple[str, str]:
    """Return the innermost code and its message; bodies are flat or inside ``error``."""
    try:
        body = parse_json(response)
    except ValueError:
        return "", ""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    code = message = ""
    while isinstance(body, dict):
        code = _text(body.get("code")) or code
        message = _text(body.get("message")) or message
        body = body.get("innerError") or body.get("innererror")
    return code[:_NAME_LENGTH], quoted(message)


def _host(error: httpx.TransportError) -> str:
    try:
        return str(error.request.url.host)
    except RuntimeError:  # the error belongs to no request
        return "The service"
