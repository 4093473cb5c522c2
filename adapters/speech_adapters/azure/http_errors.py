"""What the answers of the Azure services and failed connections become: errors of the tree.

Errors name status, code and request id of the service.  All quoted text is masked, because
addresses may hold a signature.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    RefusedError,
    ThrottledError,
    UnavailableError,
    UnreachableError,
)
from speech_adapters.masking import mask

__all__ = [
    "RejectedError",
    "is_retryable",
    "refusal",
    "request_id",
    "retry_after",
    "target",
    "unreachable",
]

_RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
_REQUEST_ID_HEADERS: Final = ("apim-request-id", "x-ms-request-id", "x-requestid")
# Longest message of the service that an error quotes.
_MESSAGE_LENGTH: Final = 300


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


def retry_after(response: httpx.Response) -> float | None:
    """Return the pause that an answer requests, in seconds, or ``None``."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def is_retryable(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in _RETRYABLE
    return isinstance(error, httpx.TransportError)


def refusal(response: httpx.Response) -> BackendError:
    """Return the error for an answer of status 4xx or 5xx whose body is read."""
    status = response.status_code
    code, message = _reason(response)
    what = f"{target(response)} refused the request ({status}{f' {code}' if code else ''})"
    text = f"{what}: {message or response.reason_phrase}{request_id(response)}"
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
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
    return f" (request id {found})." if found else "."


def unreachable(error: httpx.TransportError) -> UnreachableError:
    """Return the error for a connection that failed in every attempt."""
    reason = mask(str(error)) or type(error).__name__
    return UnreachableError(
        f"{_host(error)} cannot be reached: {reason}. Check the network,"
        " the region and the endpoint; nothing is lost, ask again later."
    )


def _reason(response: httpx.Response) -> tuple[str, str]:
    """Return the innermost code and its message; bodies are flat or inside ``error``."""
    try:
        body = response.json()
    except ValueError:
        return "", ""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    code = message = ""
    while isinstance(body, dict):
        code = str(body.get("code") or code)
        message = str(body.get("message") or message)
        body = body.get("innerError") or body.get("innererror")
    # The message may quote the address of audio: masked first, so that no cut secret is left.
    return code, mask(message)[:_MESSAGE_LENGTH]


def _host(error: httpx.TransportError) -> str:
    try:
        return str(error.request.url.host)
    except RuntimeError:  # the error belongs to no request
        return "The service"
