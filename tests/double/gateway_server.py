"""A gateway that serves on loopback in a thread, with endpoints that tests add."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from starlette.routing import BaseRoute

from speech_adapters.config import Settings, load_settings
from speech_compat.gateway.app import create_app
from speech_compat.gateway.options import gateway_options
from speech_compat.gateway.server import Server, bind
from speech_compat.gateway.service import Gateway

KEY = "0123456789abcdef0123456789abcdef"
Endpoints = Callable[[Gateway], Sequence[BaseRoute]]


@attrs.frozen
class Running:
    """A running gateway.

    Attributes:
        port: where it listens.
        gateway: the gateway.
        server: its server.
        handed_over: set when the process would have ended with running meetings.
    """

    port: int
    gateway: Gateway
    server: Server
    handed_over: threading.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        """Return a TCP connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def open(self, query: str = "", path: str = "/test") -> socket.socket:
        """Return a connection after the handshake of a websocket."""
        opened = self.connect()
        opened.sendall(handshake(path, query))
        head = read_until(opened, b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return opened


def handshake(path: str = "/test", query: str = "", key: str = KEY) -> bytes:
    """Return the request that opens a websocket."""
    return (
        f"GET {path}{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Ocp-Apim-Subscription-Key: {key}\r\n\r\n"
    ).encode()


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Return what arrives up to and with ``end``."""
    data = b""
    while not data.endswith(end):
        received = connection.recv(1)
        if not received:
            break
        data += received
    return data


def read_all(connection: socket.socket) -> bytes:
    """Return what arrives until the connection is closed or reset."""
    data = b""
    try:
        while received := connection.recv(65_536):
            data += received
    except ConnectionResetError:
        pass
    return data


@contextmanager
def serving(folder: Path, endpoints: Endpoints = lambda _: (), **options: Any) -> Iterator[Running]:
    """Serve a gateway with the key :data:`KEY` of the owner ``alice`` until the block ends.

    Args:
        folder: the folder of its store.
        endpoints: returns additional endpoints.
        options: options of the gateway.
    """
    table = {"port": 0, "keys": {"alice": KEY}, "drain_seconds": 0, **options}
    settings = load_settings({"state_dir": folder, "gateway": table})
    with serving_with(settings, endpoints) as running:
        yield running


@contextmanager
def serving_with(settings: Settings, endpoints: Endpoints = lambda _: ()) -> Iterator[Running]:
    """Serve a gateway until the block ends.

    Args:
        settings: its settings; ``gateway.port`` is 0, for any free port.
        endpoints: returns additional endpoints.
    """
    started: list[Running] = []
    ready = threading.Event()

    async def serve() -> None:
        with bind(gateway_options(settings)) as bound:
            async with Gateway(settings) as gateway:
                app = create_app(gateway)
                app.router.routes[:0] = endpoints(gateway)
                handed_over = threading.Event()
                with mock.patch("speech_compat.gateway.server.create_app", return_value=app):
                    server = Server(gateway, bound, handed_over.set)
                port = bound.getsockname()[1]
                started.append(Running(port, gateway, server, handed_over))
                listening = asyncio.create_task(server.serve())
                while not server.started and not listening.done():
                    await asyncio.sleep(0.01)
                ready.set()
                await listening

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield started[0]
    finally:
        started[0].server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()
