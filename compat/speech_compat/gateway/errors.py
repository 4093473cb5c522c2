"""Requests that the gateway refuses, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

__all__ = [
    "AccessDeniedError",
    "BodyTooLargeError",
    "LimitError",
    "RequestError",
    "error_response",
]


class RequestError(Exception):
    """A request that is refused.

    Endpoints let it propagate; the application answers it.  A websocket that was not accepted
    yet gets the same HTTP answer.

    Args:
        message: what the client may read.
        headers: headers of the answer.

    Attributes:
        status: HTTP status of the answer.
    """

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})


class AccessDeniedError(RequestError):
    """The request has no valid credential."""

    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        # One message for all causes: which part of a credential is wrong is no one's business.
        super().__init__(
            "Access denied: send a valid key in the header Ocp-Apim-Subscription-Key, or a valid"
            " token in the header Authorization.",
            {"WWW-Authenticate": "Bearer"},
        )


class LimitError(RequestError):
    """A limit is reached; a later request may succeed.

    Args:
        message: which limit.
        retry_after: seconds after which another attempt makes sense.
        status: 429 if the client caused it, 503 if the gateway cannot serve more.
    """

    def __init__(
        self,
        message: str,
        retry_after: float,
        status: HTTPStatus = HTTPStatus.TOO_MANY_REQUESTS,
    ) -> None:
        super().__init__(message, {"Retry-After": str(max(1, round(retry_after)))})
        self.status = status


class BodyTooLargeError(RequestError):
    """The body of a request exceeds ``body_bytes``."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error as JSON: ``{"error": {"code": "NotFound", "message": "..."}}``."""
    code = HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    return JSONResponse(
        {"error": {"code": code, "message": message}}, status_code=status, headers=headers
    )
