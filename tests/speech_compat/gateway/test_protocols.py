"""Deadlines and limits of connections, with raw sockets against a real server."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from double.frames import PING, close_code, frame, read_frame
from double.gateway_server import KEY, handshake, read_all, read_until, serving
from speech_compat.gateway.service import Gateway


def endpoints(gateway: Gateway) -> Sequence[BaseRoute]:
    async def echo(websocket: WebSocket) -> None:
        await gateway.access.authenticate(websocket.headers, websocket.query_params)
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    async def busy(websocket: WebSocket) -> None:
        """Read one message, and the others when the test says so."""
        await gateway.access.authenticate(websocket.headers, websocket.query_params)
        await websocket.accept()
        await websocket.receive_text()
        while not getattr(gateway, "released", False):
            await asyncio.sleep(0.01)
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    async def size(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def unread(_: Request) -> Response:
        return PlainTextResponse("done", status_code=403)

    async def endless(_: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            while True:
                yield bytes(65_536)
                await asyncio.sleep(0)  # as the reading of a file does

        return StreamingResponse(chunks())

    async def flood(websocket: WebSocket) -> None:
        await gateway.access.authenticate(websocket.headers, websocket.query_params)
        await websocket.accept()
        while True:
            await websocket.send_bytes(bytes(65_536))

    return [
        WebSocketRoute("/test", echo),
        WebSocketRoute("/flood", flood),
        WebSocketRoute("/busy", busy),
        Route("/size", size, methods=["POST"]),
        Route("/unread", unread, methods=["POST"]),
        Route("/endless", endless),
    ]


def is_cut(connection: socket.socket, data: bytes, times: int, pause: float = 0) -> bool:
    """Send data many times; returns whether the connection ended before."""
    try:
        for _ in range(times):
            connection.sendall(data)
            time.sleep(pause)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n"])
def test_headers_that_do_not_arrive_in_time_end_the_connection(tmp_path: Path, sent: bytes) -> None:
    with serving(tmp_path, header_seconds=0.3) as running, running.connect() as slow:
        slow.sendall(sent)
        assert read_all(slow) == b""


def test_headers_byte_by_byte_do_not_extend_the_deadline(tmp_path: Path) -> None:
    with serving(tmp_path, header_seconds=0.5) as running, running.connect() as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        # A request that would take half a minute.
        assert is_cut(slow, b"x: y\r\n", times=3_000, pause=0.01)


def test_the_second_request_of_a_connection_has_a_deadline_too(tmp_path: Path) -> None:
    with serving(tmp_path, header_seconds=0.5) as running, running.connect() as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"alive" in read_until(slow, b"}")
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert read_all(slow) == b""


def test_a_body_that_does_not_arrive_in_time_ends_the_connection(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, body_seconds=0.3) as running, running.connect() as slow:
        slow.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        assert read_all(slow) == b""


def test_the_body_of_a_request_behind_another_one_has_a_deadline(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, body_seconds=0.3) as running, running.connect() as slow:
        slow.sendall(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
        )
        assert read_all(slow).endswith(b'{"status":"alive"}')


def test_requests_in_time_are_answered_on_one_connection(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints) as running, running.connect() as client:
        for _ in range(3):
            client.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345")
            assert read_until(client, b"\r\n\r\n5").startswith(b"HTTP/1.1 200")


def test_headers_of_ten_megabytes_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as running, running.connect() as client:
        sent = 0
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            for _ in range(10_000):
                sent += client.send(b"x: " + b"y" * 1_000 + b"\r\n")
        except OSError:
            pass  # cut before the end
        assert b" 200 " not in read_all(client)
        assert sent < 10_000_000


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints) as running, running.connect() as client:
        client.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
        assert read_until(client, b"\r\n").startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_size_is_cut_at_the_limit(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, body_bytes=100_000) as running, running.connect() as client:
        client.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        client.sendall(chunk * 2)
        assert read_until(client, b"\r\n").startswith(b"HTTP/1.1 413")
        assert is_cut(client, chunk, times=10_000)  # 650 MB


def test_the_rest_of_a_body_after_the_answer_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints) as running, running.connect() as client:
        client.sendall(b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n")
        assert read_until(client, b"done").startswith(b"HTTP/1.1 403")
        assert is_cut(client, bytes(1_000), times=15_900)


def test_a_client_that_does_not_read_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, body_seconds=0.3) as running, running.connect() as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        while not running.server.server_state.tasks:
            time.sleep(0.01)
        while running.server.server_state.connections or running.server.server_state.tasks:
            time.sleep(0.01)


def test_connections_above_the_limit_are_refused(tmp_path: Path) -> None:
    with (
        serving(tmp_path, connections=2) as running,
        running.connect() as first,
        running.connect() as second,
    ):
        with running.connect() as third:
            answer = read_all(third)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in answer
        for other in (first, second):
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"alive" in read_until(other, b"}")


def test_a_message_that_declares_a_gigabyte_ends_the_websocket(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints) as running, running.open() as client:
        client.sendall(frame(0x2, b"x" * 1_000, declared=1_000_000_000))
        assert close_code(client) == 1009


def test_fragments_that_exceed_the_limit_end_the_websocket(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, message_bytes=65_536) as running, running.open() as client:
        client.sendall(bytes([0x02]) + frame(0x2, bytes(60_000))[1:])
        client.sendall(bytes([0x00]) + frame(0x0, bytes(60_000))[1:])
        assert close_code(client) == 1009


def test_a_client_that_answers_no_ping_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, ping_seconds=0.2) as running, running.open() as client:
        assert [read_frame(client)[0] for _ in range(2)] == [PING, PING]
        read_all(client)
        while running.server.server_state.connections:
            time.sleep(0.01)


def test_a_client_that_reads_nothing_is_cut(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, ping_seconds=0.2) as running, running.open(path="/flood"):
        while running.server.server_state.connections:
            time.sleep(0.01)


def test_compression_is_not_accepted(tmp_path: Path) -> None:
    offer = b"Host: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    with serving(tmp_path, endpoints) as running, running.connect() as client:
        client.sendall(handshake().replace(b"Host: x\r\n", offer))
        answer = read_until(client, b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101")
    assert b"deflate" not in answer


def test_a_busy_gateway_does_not_cut_a_client_whose_answers_it_does_not_read(
    tmp_path: Path,
) -> None:
    with (
        serving(tmp_path, endpoints, ping_seconds=0.1) as running,
        running.open(path="/busy") as client,
    ):
        client.sendall(frame(0x1, b"one") + frame(0x1, b"two"))
        pings = 0
        while pings < 5:
            pings += read_frame(client)[0] == PING
        running.gateway.released = True  # type: ignore[attr-defined]
        texts = [data for opcode, data in iter(lambda: read_frame(client), (0x1, b"two"))]
        assert all(len(data) == 4 for data in texts)  # pings only


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (handshake().replace(b"GET", b"POST"), b"405"),
        (handshake().replace(b"Host: x\r\n", b"Host: x\r\nContent-Length: 5\r\n"), b"400"),
        (handshake(query="?" + "q" * 9_000), b"414"),
        (handshake().replace(b"Host: x\r\n", b"Host: x\r\nA: " + b"b" * 9_000 + b"\r\n"), b"431"),
        (handshake().replace(b"Host: x\r\n", b"Host: x\r\n" + b"A: b\r\n" * 200), b"431"),
        (handshake().replace(b"Version: 13", b"Version: 7"), b"400"),
        (handshake(key="wrong"), b"401"),
        (handshake(path="/nothing"), b"404"),
    ],
)
def test_a_request_that_is_no_handshake_is_answered(
    tmp_path: Path, request_: bytes, status: bytes
) -> None:
    with serving(tmp_path, endpoints) as running, running.connect() as client:
        client.sendall(request_)
        assert read_all(client).startswith(b"HTTP/1.1 " + status)


def test_no_answer_names_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints) as running:
        with running.connect() as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"server:" not in read_all(client).lower()
        with running.connect() as client:
            client.sendall(handshake(key=KEY))
            assert b"server:" not in read_until(client, b"\r\n\r\n").lower()
