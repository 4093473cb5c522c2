"""Errors and texts that clients receive."""

from __future__ import annotations

import pytest

from speech_adapters import errors
from speech_adapters.errors import (
    ConfigurationError,
    MeetingNotFoundError,
    SpeechError,
    UnreachableError,
)
from speech_compat.gateway.outward import outward, outward_text


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_a_text_for_clients_and_a_class_that_matters(name: str) -> None:
    kind = getattr(errors, name)
    error = outward(kind("inside"))
    assert isinstance(error, SpeechError)
    assert isinstance(kind("inside"), type(error))
    assert error.retryable == kind.retryable
    assert "inside" not in str(error)
    assert str(error).endswith(".")
    assert outward(error) is error


def test_the_client_causes_no_log_entries(caplog: pytest.LogCaptureFixture) -> None:
    outward(MeetingNotFoundError("inside"))
    assert not caplog.records
    outward(ConfigurationError("inside"))
    outward(UnreachableError("outside"))
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See https://storage.example/box?sig=abc.", "See …"),
        ("/var/lib/speech/audio.pcm is damaged.", "… is damaged."),
        ("C:\\data\\audio.pcm, which is damaged", "…, which is damaged"),
        ("16 kHz/s and/or alice/m", "16 kHz/s and/or m"),
    ],
    ids=["address", "path", "drive", "id"],
)
def test_a_text_has_no_places_of_the_inside(text: str, shown: str) -> None:
    assert outward_text(text, "alice/m", "m") == shown
