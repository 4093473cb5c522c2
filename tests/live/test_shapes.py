from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from vcr.serializers import yamlserializer

from live.shapes import Exchange, compare, exchanges, exchanges_of_messages
from live.websocket import Message


def differences(real: Any, double: Any, status: int = 200, **headers: str) -> list[str]:
    one = Exchange("GET /x", status, {n.replace("_", "-"): v for n, v in headers.items()}, real)
    other = Exchange("GET /x", 200, {}, double)
    return [f"{found.place}: {found.text}" for found in compare([one], [other])]


@pytest.mark.parametrize(
    ("real", "double", "expected"),
    [
        ({"a": 1}, {"a": 2}, []),
        ({"a": 1, "b": "x"}, {"a": 2}, ["$.b: additional: text from the service"]),
        ({}, {"a": 2}, ["$.a: missing: integer from the double only"]),
        ({"a": 1.5}, {"a": 2}, ["$.a: type: number from the service, integer from the double"]),
        ({"a": None}, {"a": 2}, ["$.a: type: null from the service, integer from the double"]),
        ({"a": True}, {"a": 1}, ["$.a: type: boolean from the service, integer from the double"]),
        ({"a": ""}, {"a": "x"}, ["$.a: type: empty text from the service, text from the double"]),
        ([], {}, ["$: type: list from the service, object from the double"]),
        ({"status": "New"}, {"status": "Old"}, ["$.status: value: New is unknown to the double"]),
        ({"display": "New"}, {"display": "Old"}, []),
        (
            {"at": "2026-01-02T03:04:05"},
            {"at": "2026-01-02T03:04:05Z"},
            ["$.at: type: time without zone from the service, time from the double"],
        ),
        ({"for": "PT1S"}, {"for": "PT2M3.5S"}, []),
        (
            {"for": "soon"},
            {"for": "PT1S"},
            ["$.for: type: text from the service, duration from the double"],
        ),
        ({"url": "https://a"}, {"url": "http://b/c"}, []),
        ({"id": "x"}, {"id": "f" * 32}, ["$.id: type: text from the service, id from the double"]),
        ([{"a": 1}, {"b": 1}], [{"a": 1}], ["$[].b: additional: integer from the service"]),
        ([], [{"a": 1}], []),
        ([{}], [{"a": 1}], ["$[].a: missing: integer from the double only"]),
        ([{"a": {"b": 1}}], [], ["$[]: additional: object from the service"]),
        ({"a": {"b": {"c": 1}}}, {}, ["$.a: additional: object from the service"]),
        ("text", "", ["$: type: text from the service, empty text from the double"]),
    ],
)  # fmt: skip
def test_fields(real: Any, double: Any, expected: list[str]) -> None:
    assert differences(real, double) == expected


def test_several_answers_are_one() -> None:
    """The service was asked once, the double twice."""
    real = [Exchange("GET /x", 200, {}, {"status": "Succeeded", "length": 1})]
    double = [
        Exchange("GET /x", 200, {}, {"status": "Running"}),
        Exchange("GET /x", 200, {}, {"status": "Succeeded", "length": 1}),
    ]
    assert compare(real, double) == []


def test_statuses() -> None:
    assert differences({}, {}, status=429) == [
        "status: only the service sends 429, only the double sends 200"
    ]


def test_headers() -> None:
    assert differences({}, {}, content_type="text/html; charset=x", retry_after="3", date="x") == [
        "header content-type: text/html from the service, absent from the double",
        "header retry-after: present from the service, absent from the double",
    ]


@pytest.mark.parametrize(
    ("method", "uri", "body", "expected"),
    [
        ("POST", "/x/transcriptions:submit?api-version=1", "{}", "POST /transcriptions:submit"),
        ("GET", "/speechtotext/v3.2/transcriptions?top=2", "{}", "GET /transcriptions"),
        ("GET", "/speechtotext/transcriptions/1-2?api-version=1", "{}", "GET /transcriptions/{id}"),
        ("GET", "/speechtotext/transcriptions/1/files", "{}", "GET /transcriptions/{id}/files"),
        ("GET", "/container/1.json?sig=scrubbed", '{"source": ""}', "GET result file"),
        ("GET", "/container/2.json", '{"successfulTranscriptionsCount": 1}', "GET report file"),
    ],
)  # fmt: skip
def test_operations(tmp_path: Path, method: str, uri: str, body: str, expected: str) -> None:
    request: dict[str, Any] = {
        "method": method,
        "uri": f"https://h{uri}",
        "headers": {},
        "body": None,
    }
    response = {"status": {"code": 200}, "headers": {"A": ["b"]}, "body": {"string": body}}
    storage = {**request, "headers": {"x-ms-version": ["1"]}}
    found = [{"request": one, "response": response} for one in (request, storage)]
    path = tmp_path / "x.yaml"
    path.write_text(yamlserializer.serialize({"interactions": found}))
    (exchange,) = exchanges(path)
    assert (exchange.operation, exchange.status, exchange.headers) == (expected, 200, {"a": "b"})


def test_a_check_that_sent_nothing(tmp_path: Path) -> None:
    assert exchanges(tmp_path / "missing.yaml") == []


def test_messages_of_a_websocket() -> None:
    messages = [
        Message("client", {"Path": "audio"}, "5 bytes"),
        Message("service", {":status": "101"}, ""),
        Message("service", {"Path": "turn.start"}, {"a": 1}),
    ]
    found = exchanges_of_messages(messages)
    assert [(e.operation, e.status) for e in found] == [
        ("websocket handshake", 101),
        ("websocket turn.start", 0),
    ]
    (one,) = compare([*found, Exchange("websocket x", 0, {}, "")], found)
    assert (one.operation, one.text) == ("websocket x", "only the service sends it")
