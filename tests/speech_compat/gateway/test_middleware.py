"""What every request gets: headers, limits, log lines, metrics, and answers to errors."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from double.frames import TEXT, close_code, frame
from double.gateway_server import KEY, Running, handshake, read_all, read_until, serving
from speech_compat.gateway.service import Gateway

SECRET = "what a client sent"


def endpoints(gateway: Gateway) -> Sequence[BaseRoute]:
    async def private(request: Request) -> Response:
        await gateway.access.authenticate(request.headers, request.query_params)
        return PlainTextResponse("private", headers={"Cache-Control": "private"})

    async def failing(_: Request) -> Response:
        raise ValueError(SECRET)

    async def broken(_: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begin"
            raise ValueError(SECRET)

        return StreamingResponse(chunks())

    async def body(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def websocket(websocket: WebSocket) -> None:
        await gateway.access.authenticate(websocket.headers, websocket.query_params)
        await websocket.accept()
        await websocket.receive_text()
        raise ValueError(SECRET)

    async def early(_: WebSocket) -> None:
        raise ValueError(SECRET)

    return [
        Route("/private/{meeting}", private),
        Route("/failing", failing),
        Route("/broken", broken),
        Route("/body", body, methods=["POST"]),
        WebSocketRoute("/test", websocket),
        WebSocketRoute("/early", early),
    ]


@pytest.fixture
def running(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Running]:
    caplog.set_level(logging.INFO, "speech_compat.gateway")
    with serving(tmp_path, endpoints, body_bytes=1_000) as running:
        yield running


def ask(
    running: Running, target: str, *headers: str, method: str = "GET", body: bytes = b""
) -> Any:
    """Return status, headers and body of an answer."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with running.connect() as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        head, _, content = read_all(client).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    found = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in rest}
    return int(first.split()[1]), found, content


def requests(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the fields of the requests' lines."""
    return [
        record.speech_compat_fields  # type: ignore[attr-defined]
        for record in caplog.records
        if record.getMessage() == "request"
    ]


def count(running: Running, route: str, status: int, method: str = "GET") -> float:
    labels = {"route": route, "method": method, "status": str(status)}
    return (
        running.gateway.metrics.registry.get_sample_value("speech_compat_requests_total", labels)
        or 0
    )


def test_a_request_is_logged_and_counted_by_its_template(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    target = f"/private/katie?Ocp-Apim-Subscription-Key={KEY}"
    status, headers, content = ask(running, target)
    assert (status, content) == (200, b"private")
    (line,) = requests(caplog)
    assert line.pop("ms") >= 0
    assert line.pop("request") == headers["x-request-id"]
    assert line == {
        "method": "GET",
        "route": "/private/{meeting}",
        "status": 200,
        "owner": "alice",
    }
    assert count(running, "/private/{meeting}", 200) == 1
    assert "katie" not in caplog.text
    assert KEY not in caplog.text


def test_paths_and_methods_that_a_client_makes_up_are_no_labels(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(running, "/katie")[0] == 404
    assert ask(running, "/private/x", method="KATIE")[0] == 405
    assert {(line["method"], line["route"]) for line in requests(caplog)} == {
        ("GET", "(none)"),
        ("OTHER", "/private/{meeting}"),
    }


def test_every_answer_has_the_headers_of_a_safe_page(running: Running) -> None:
    for target in ("/healthz", "/nothing", "/failing"):
        headers = ask(running, target)[1]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
    key = f"Ocp-Apim-Subscription-Key: {KEY}"
    assert ask(running, "/private/x", key)[1]["cache-control"] == "private"


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/nothing", 404, "NotFound"),
        ("/private/x", 401, "Unauthorized"),
        ("/failing", 500, "InternalServerError"),
    ],
)
def test_errors_are_json(running: Running, target: str, status: int, code: str) -> None:
    found, headers, content = ask(running, target)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert json.loads(content)["error"]["code"] == code
    assert SECRET not in content.decode()
    assert ("www-authenticate" in headers) is (status == 401)


def test_an_unexpected_error_is_logged_without_its_text(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    ask(running, "/failing")
    (record,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError
    value = running.gateway.metrics.registry.get_sample_value
    assert value("speech_compat_errors_total", {"class": "ValueError"}) == 1


def test_an_answer_that_breaks_off_ends_its_connection(running: Running) -> None:
    status, headers, content = ask(running, "/broken")
    assert status == 200
    assert headers["transfer-encoding"] == "chunked"
    assert content == b"5\r\nbegin\r\n"  # without the last chunk


def test_a_body_above_the_limit_is_refused(running: Running) -> None:
    assert ask(running, "/body", method="POST", body=bytes(1_000))[2] == b"1000"
    status, _, content = ask(running, "/body", method="POST", body=bytes(1_001))
    assert status == 413
    assert json.loads(content)["error"]["message"] == "The body has more than 1000 bytes."


def test_too_many_requests_are_answered_with_the_time_to_wait(tmp_path: Path) -> None:
    key = f"Ocp-Apim-Subscription-Key: {KEY}"
    with serving(tmp_path, endpoints, requests_per_minute=1) as running:
        assert ask(running, "/private/x", key)[0] == 200
        status, headers, _ = ask(running, "/private/x", key)
        assert status == 429
        assert 0 < int(headers["retry-after"]) <= 60


def test_addresses_with_wrong_keys_are_limited(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, failures_per_minute=2) as running:
        assert [ask(running, "/private/x")[0] for _ in range(3)] == [401, 401, 429]


def test_the_address_of_a_client_behind_a_proxy_is_the_forwarded_one(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, failures_per_minute=1, behind_proxy=True) as running:
        for number in range(5):
            assert ask(running, "/private/x", f"X-Forwarded-For: 10.0.0.{number}")[0] == 401
        assert ask(running, "/private/x", "X-Forwarded-For: 10.0.0.1")[0] == 429


def test_without_a_proxy_no_forwarded_address_is_believed(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, failures_per_minute=1) as running:
        answers = [ask(running, "/private/x", f"X-Forwarded-For: 10.0.0.{n}")[0] for n in (1, 2)]
        assert answers == [401, 429]


def test_a_failing_websocket_is_closed_with_a_code(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    value = running.gateway.metrics.registry.get_sample_value
    with running.open() as client:
        assert value("speech_compat_connections") == 1
        client.sendall(frame(TEXT, b"x"))
        assert close_code(client) == 1011
    while value("speech_compat_connections"):
        pass
    while not requests(caplog):
        pass
    (line,) = requests(caplog)
    assert (line["method"], line["route"], line["status"]) == ("WEBSOCKET", "/test", 101)


@pytest.mark.parametrize(
    ("path", "key", "status"), [("/early", KEY, b"500"), ("/test", "wrong", b"401")]
)
def test_a_handshake_that_fails_is_answered(
    running: Running, path: str, key: str, status: bytes
) -> None:
    with running.connect() as client:
        client.sendall(handshake(path, key=key))
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert SECRET.encode() not in answer


def test_a_draining_gateway_refuses_handshakes(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.gateway.draining = True
    with running.connect() as client:
        client.sendall(handshake())
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 5" in answer.lower()
    # A refusal is no error of the gateway.
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_a_client_that_leaves_is_no_error(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    with running.connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n12345")
        while not running.server.server_state.tasks:
            pass
    while not requests(caplog):
        pass
    assert [(line["status"], line["route"]) for line in requests(caplog)] == [(499, "/body")]


def test_requests_on_one_connection_have_different_ids(running: Running) -> None:
    with running.connect() as client:
        ids = set()
        for _ in range(3):
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            head = read_until(client, b"\r\n\r\n").decode()
            ids.add(head.split("x-request-id: ")[1][:16])
            read_until(client, b"}")
    assert len(ids) == 3
