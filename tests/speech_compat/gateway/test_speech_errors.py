"""Statuses of errors."""

from __future__ import annotations

import json

import anyio
import pytest
from starlette.requests import Request

from speech_adapters import errors
from speech_compat.gateway.speech_errors import on_speech_error

STATUSES = {
    "MeetingNotFoundError": 404,
    "MeetingBusyError": 409,
    "MeetingFailedError": 409,
    "AudioError": 400,
    "VoiceSignatureError": 400,
    "UnsupportedError": 400,
    "AuthenticationError": 502,
    "RefusedError": 502,
    "ServiceFailedError": 502,
    "ThrottledError": 503,
    "TimedOutError": 504,
    "UnreachableError": 503,
    "UnavailableError": 503,
}


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_its_status_and_no_text_of_the_inside(name: str) -> None:
    error = getattr(errors, name)("inside")
    response = anyio.run(on_speech_error, Request({"type": "http"}), error)
    assert response.status_code == STATUSES.get(name, 500)
    document = json.loads(bytes(response.body))
    assert set(document) == {"error"}
    assert document["error"]["message"]
    assert "inside" not in bytes(response.body).decode()
