from __future__ import annotations

import httpx
import pytest

from speech_adapters.azure.http_errors import RejectedError, refusal, target, unreachable

REQUEST = httpx.Request("GET", "https://user:SECRET@host/path?sig=SECRET")


def test_a_request_is_named_without_its_secrets() -> None:
    assert target(httpx.Response(200, request=REQUEST)) == "GET https://***@host/path"


def test_secrets_in_the_services_own_words_are_masked() -> None:
    message = "Cannot read https://store/a.wav?sig=SECRET with Bearer SECRET."
    body = {"error": {"code": "InvalidUri", "message": message}}
    error = refusal(httpx.Response(400, json=body, request=REQUEST))
    assert isinstance(error, RejectedError)
    assert error.code == "InvalidUri"
    assert "Cannot read https://store/a.wav with Bearer ***" in str(error)


@pytest.mark.parametrize("length", range(200, 300, 7))
def test_a_long_message_is_cut_without_a_piece_of_a_secret(length: int) -> None:
    key = "S3CRET" + "A" * 78
    body = {"message": "x" * length + " " + key}
    text = str(refusal(httpx.Response(400, json=body, request=REQUEST)))
    assert "S3CRET" not in text
    assert "A" * 10 not in text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (httpx.ConnectError("no route", request=REQUEST), "host cannot be reached: no route."),
        (httpx.ConnectError("proxy http://u:SECRET@p"), "The service cannot be reached: proxy"),
        (httpx.ReadTimeout(""), "The service cannot be reached: ReadTimeout."),
    ],
)
def test_a_failed_connection_names_host_and_reason(error: httpx.TransportError, text: str) -> None:
    assert text in str(unreachable(error))
    assert "SECRET" not in str(unreachable(error))
