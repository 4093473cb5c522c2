"""Errors of meetings and backends as HTTP answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse

from speech_adapters.errors import (
    AudioError,
    AuthenticationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    RefusedError,
    ServiceFailedError,
    SpeechError,
    ThrottledError,
    TimedOutError,
    UnavailableError,
    UnsupportedError,
    VoiceSignatureError,
)
from speech_compat.gateway.errors import error_response
from speech_compat.gateway.outward import outward

__all__ = ["on_speech_error"]

# Subclasses come before their base class: the first match counts.
_STATUS: Final[tuple[tuple[type[SpeechError], HTTPStatus], ...]] = (
    (MeetingNotFoundError, HTTPStatus.NOT_FOUND),
    (MeetingBusyError, HTTPStatus.CONFLICT),
    (MeetingFailedError, HTTPStatus.CONFLICT),
    (AudioError, HTTPStatus.BAD_REQUEST),
    (VoiceSignatureError, HTTPStatus.BAD_REQUEST),
    (UnsupportedError, HTTPStatus.BAD_REQUEST),
    # Not 401 nor 400: the credential and request that the service refused are the gateway's.
    (AuthenticationError, HTTPStatus.BAD_GATEWAY),
    (RefusedError, HTTPStatus.BAD_GATEWAY),
    (ServiceFailedError, HTTPStatus.BAD_GATEWAY),
    (ThrottledError, HTTPStatus.SERVICE_UNAVAILABLE),
    (TimedOutError, HTTPStatus.GATEWAY_TIMEOUT),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)


async def on_speech_error(_: Request, error: Exception) -> JSONResponse:
    """Answer an error with its status, and a text that exposes nothing of the inside.

    The handler of :class:`~speech_adapters.errors.SpeechError` in the application.  The answer
    has no ``processingStatus``, so the C# client reads every error as "still uploading"
    (docs/protocol/legacy-interface.md, 2.2).
    """
    assert isinstance(error, SpeechError)
    shown = outward(error)
    statuses = (status for kind, status in _STATUS if isinstance(shown, kind))
    return error_response(next(statuses, HTTPStatus.INTERNAL_SERVER_ERROR), str(shown))
