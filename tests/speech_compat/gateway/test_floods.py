"""Clients that send too much, read nothing, or do nothing: they are cut, and others are served."""

from __future__ import annotations

import asyncio
import resource
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from double.frames import PING, TEXT, close_code, frame, read_frame, read_text
from double.gateway_server import Running, handshake, read_all, read_until, serving
from speech_compat.gateway import protocols
from speech_compat.gateway.protocols import WebSocketProtocol
from speech_compat.gateway.service import Gateway

_PATIENCE = 30.0
_HOUR = 3_600.0
LARGE = "x" * 300_000


def endpoints(_: Gateway) -> Sequence[BaseRoute]:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for message in websocket.iter_text():
            await websocket.send_text(message)

    async def endless(websocket: WebSocket) -> None:
        """Send for ever, and read meanwhile."""
        await websocket.accept()

        async def read() -> None:
            while True:
                await websocket.receive_text()

        reading = asyncio.create_task(read())
        try:
            while True:
                await websocket.send_text(LARGE)
        finally:
            reading.cancel()
            with suppress(WebSocketDisconnect, asyncio.CancelledError):
                await reading

    async def once(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(30):
            # More than the kernel holds; the endpoint itself does not wait for the client.
            with suppress(TimeoutError):
                await asyncio.wait_for(websocket.send_text(LARGE), 0.01)

    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.01)
        return PlainTextResponse("answer " * 10_000)

    return [
        WebSocketRoute("/test", echo),
        WebSocketRoute("/endless", endless),
        WebSocketRoute("/once", once),
        Route("/slow", slow),
    ]


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def connection(running: Running) -> WebSocketProtocol:
    """Return the gateway's side of the only websocket."""
    (found,) = running.server.server_state.connections
    assert isinstance(found, WebSocketProtocol)
    return found


def wait_until_gone(running: Running) -> None:
    state = running.server.server_state
    wait_until(lambda: not state.connections and not state.tasks)


def flood(client: socket.socket, data: bytes, size: int) -> None:
    """Send data again and again, ``size`` bytes or as long as the gateway reads."""
    client.settimeout(0.5)
    with suppress(OSError):
        for _ in range(size // len(data)):
            client.sendall(data)


def test_pings_whose_answers_are_not_read_do_not_pile_up(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints, body_seconds=_HOUR) as running, running.open() as client:
        # More than the kernel holds for a client that does not read.
        for _ in range(700):
            client.sendall(frame(PING, b"p" * 125) * 100)
        assert connection(running).transport.get_write_buffer_size() < 1_000_000


def test_a_websocket_that_reads_nothing_is_cut_although_it_sends(tmp_path: Path) -> None:
    with (
        serving(tmp_path, endpoints, body_seconds=0.3) as running,
        running.open(path="/endless") as client,
    ):
        state, end = running.server.server_state, time.monotonic() + _PATIENCE
        with suppress(OSError):
            while state.connections and time.monotonic() < end:
                client.sendall(frame(TEXT, b"here I am"))
                time.sleep(0.01)
        wait_until_gone(running)


def test_what_a_client_does_not_read_delays_the_end_of_its_websocket_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "_CLOSE_SECONDS", 0.2)
    with (
        serving(tmp_path, endpoints, body_seconds=_HOUR, ping_seconds=_HOUR) as running,
        running.open(path="/once"),
    ):
        wait_until_gone(running)


def test_a_client_that_neither_reads_nor_answers_the_close_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "_CLOSE_SECONDS", 0.2)

    def closing(_: Gateway) -> Sequence[BaseRoute]:
        async def close(websocket: WebSocket) -> None:
            await websocket.accept()
            transport = connection(running).transport
            while not transport.get_write_buffer_size():
                await websocket.send_text("x" * 1_000)
            # The last of it stays here, but it is too little to make the gateway wait.
            await websocket.close()
            await asyncio.sleep(_HOUR)

        return [WebSocketRoute("/test", close)]

    with serving(tmp_path, closing, body_seconds=_HOUR, ping_seconds=_HOUR) as running:
        with running.open():
            wait_until(lambda: not running.server.server_state.connections)
        for task in list(running.server.server_state.tasks):
            running.server.servers[0].get_loop().call_soon_threadsafe(task.cancel)


def test_a_message_that_is_never_complete_ends_the_websocket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "_CLOSE_SECONDS", 0.2)
    with serving(tmp_path, idle_seconds=0.5) as running, running.open(path="/") as client:
        client.sendall(frame(TEXT, b"", declared=1_000))
        with suppress(OSError):
            for _ in range(1_000):
                client.sendall(b"x")
                time.sleep(0.01)
        wait_until_gone(running)


def test_empty_parts_of_a_message_take_no_memory(tmp_path: Path) -> None:
    with serving(tmp_path, endpoints) as running, running.open() as client:
        client.sendall(bytes([TEXT]) + frame(TEXT, b"hel")[1:])
        client.sendall((b"\0" + frame(0, b"")[1:]) * 10_000 + frame(PING))
        read_frame(client)
        assert len(connection(running).frames) == 1
        client.sendall(frame(0, b"lo"))
        assert read_text(client) == "hello"


def test_compression_is_not_accepted(tmp_path: Path) -> None:
    offer = b"Host: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    with serving(tmp_path, endpoints) as running, running.connect() as client:
        client.sendall(handshake().replace(b"Host: x\r\n", offer))
        head = read_until(client, b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"sec-websocket-extensions" not in head.lower()
        client.sendall(bytes([0x40 | 0x80 | TEXT]) + frame(TEXT, b"compressed")[1:])
        assert close_code(client) == 1002


@pytest.mark.parametrize("sent", [frame(TEXT, b"\xff"), frame(0x3), frame(0x8, b"\x03\xe8")])
def test_frames_before_the_answer_to_the_handshake_are_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    def waiting(gateway: Gateway) -> Sequence[BaseRoute]:
        async def accept(websocket: WebSocket) -> None:
            own = connection(running)
            while not own.transport.is_closing():
                await asyncio.sleep(0.01)
            await websocket.accept()

        return [WebSocketRoute("/test", accept)]

    with serving(tmp_path, waiting) as running, running.connect() as client:
        client.sendall(handshake())
        wait_until(lambda: bool(running.server.server_state.tasks))
        client.sendall(sent)
        read_all(client)
        wait_until_gone(running)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_many_requests_at_once_are_answered_in_turn(tmp_path: Path) -> None:
    request = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        serving(tmp_path, endpoints, body_seconds=0.5) as running,
        running.connect() as client,
    ):
        flood(client, request * 1_000, 1_000_000_000)
        wait_until_gone(running)


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
    ],
)
def test_other_protocols_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    with serving(tmp_path) as running, running.connect() as client:
        client.sendall(sent)
        assert read_all(client).split(b" ")[1] in (b"400", b"404")
        wait_until_gone(running)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_connections_that_do_nothing_make_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "_ROOM_SECONDS", 0.0)
    most = min(5_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 500)
    with (
        serving(tmp_path, endpoints, connections=200, header_seconds=_HOUR) as running,
        running.open() as early,
        ExitStack() as idle,
    ):
        for _ in range(most):
            idle.enter_context(running.connect())
        with running.open() as late:
            for client in (early, late):
                client.sendall(frame(TEXT, b"hello"))
                assert read_text(client) == "hello"
        assert len(running.server.server_state.connections) <= 202
