from __future__ import annotations

import json

import pytest

from speech_compat.gateway.framing import FramingError, compose, parse


@pytest.mark.parametrize("space", ["", " "])
def test_a_text_message_of_either_client_is_read(space: str) -> None:
    text = (
        f"X-RequestId:{space}AbC\r\nPath:{space}speech.context\r\n\r\n" + '{"a": "b\\r\\n\\r\\nc"}'
    )
    message = parse(text)
    assert (message.path, message.request_id, message.binary) == ("speech.context", "AbC", False)
    assert message.document() == {"a": "b\r\n\r\nc"}


def test_a_binary_message_is_read() -> None:
    head = b"X-RequestId:AbC\r\nPath:audio\r\nX-StreamId:1\r\n"
    message = parse(len(head).to_bytes(2, "big") + head + b"\x00\x01\r\n")
    assert (message.path, message.body, message.binary) == ("audio", b"\x00\x01\r\n", True)
    assert message.headers["x-streamid"] == "1"


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x05Path", b"\x00\x02\xff\xff"])
def test_data_that_is_not_a_message_is_refused(data: bytes) -> None:
    if data == b"":
        assert parse(b"\x00\x00").body == b""
    with pytest.raises(FramingError):
        parse(data)


@pytest.mark.parametrize("body", ["{", "[1]", '"text"'])
def test_a_body_that_is_no_object_is_an_error_with_its_path(body: str) -> None:
    with pytest.raises(FramingError, match=r"'speech\.config'"):
        parse(f"Path:speech.config\r\n\r\n{body}").document()


def test_what_is_written_is_as_the_service_writes_it() -> None:
    text = compose("turn.start", "aBc", {"ü": 1}, {"X-More": "2"})
    head, _, body = text.partition("\r\n\r\n")
    assert head.split("\r\n") == [
        "X-RequestId:aBc",
        "Content-Type:application/json; charset=utf-8",
        "Path:turn.start",
        "X-More:2",
    ]
    assert json.loads(body) == {"ü": 1}
    assert compose("p", "r", "{no JSON").endswith("\r\n\r\n{no JSON")
    assert parse(text).document() == {"ü": 1}
