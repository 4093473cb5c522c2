"""The server process of a gateway: sockets, TLS, signals, and its graceful end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from speech_adapters.errors import ConfigurationError
from speech_compat.gateway.app import create_app
from speech_compat.gateway.options import GatewayOptions
from speech_compat.gateway.protocols import http_protocol, websocket_protocol
from speech_compat.gateway.service import Gateway

__all__ = ["Server", "bind", "permit_files", "tls_context"]

_logger = logging.getLogger("speech_compat.gateway")

_BACKLOG: Final = 2_048
_KEEP_ALIVE_SECONDS: Final = 5
_HANDSHAKE_SECONDS: Final = 10.0
# Requests that are no meetings end quickly; a stuck one must not keep the process alive.
_REST_SECONDS: Final = 10.0
_PARTING_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.1
# A connection, the audio of its meeting, and its lock; the usual limit is 1,024 in all.
_FILES_PER_CONNECTION: Final = 4
_OTHER_FILES: Final = 256


def bind(options: GatewayOptions) -> socket.socket:
    """Return a socket that is bound to the configured address, and does not listen yet.

    Raises:
        ConfigurationError: the address cannot be used, with the reason.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if options.reuse_port and not hasattr(socket, "SO_REUSEPORT"):
                raise OSError("this system has no SO_REUSEPORT, which gateway.reuse_port needs")
            if options.reuse_port:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"The gateway cannot listen on {options.host!r}, port {options.port}:"
            f" {error.strerror or error}. Set gateway.host and gateway.port to a free address, or"
            " end the program that uses it."
        ) from error
    return bound


def permit_files(connections: int) -> None:
    """Permit this process the open files that so many connections need, as far as it may."""
    if sys.platform == "win32":
        return
    import resource

    needed = connections * _FILES_PER_CONNECTION + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    permitted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < permitted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (permitted, hard))


def tls_context(options: GatewayOptions) -> ssl.SSLContext | None:
    """Return the context with the configured certificate; ``None`` without TLS.

    Raises:
        ConfigurationError: the files cannot be read, or do not belong together.
    """
    if options.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        _load_certificate(context, options)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"The certificate {options.tls_certificate} or its key cannot be used:"
            f" {_reason(error)}. Both are PEM files, the key has no password, and this user must"
            " be able to read them: see gateway.tls_certificate and gateway.tls_key."
        ) from error
    return context


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        # Its text has little more than a line number of the library.
        return error.reason or "one is no PEM file"
    return getattr(error, "strerror", None) or str(error)


def _load_certificate(context: ssl.SSLContext, options: GatewayOptions) -> None:
    assert options.tls_certificate is not None
    # An empty password, because the library would ask on the terminal for a missing one.
    context.load_cert_chain(options.tls_certificate, options.tls_key, password="")


class Server(uvicorn.Server):
    """Serves one gateway on one socket until a signal ends it.

    ::

        serving ──SIGTERM, SIGINT──▶ draining ──no meeting left──────────▶ closed
                                             └──drain_seconds are over──▶ handed over

    A second signal ends the process at once.  SIGHUP reads the TLS files again.

    Args:
        gateway: the gateway; closed at the end.
        bound: the socket to listen on.
        hand_over: ends the process when meetings are left.  Their recordings must not be
            ended: another process takes them over, because the kernel frees their locks.
    """

    def __init__(
        self,
        gateway: Gateway,
        bound: socket.socket,
        hand_over: Callable[[], None] = lambda: os._exit(0),
    ) -> None:
        self.gateway = gateway
        self._bound = bound
        self._hand_over = hand_over
        self._tls = tls_context(gateway.options)
        # The class of its connections.
        self._connection = http_protocol(gateway.options)
        super().__init__(_config(gateway, self._tls))

    async def startup(self, sockets: object = None) -> None:  # noqa: ARG002
        """Open the gateway and listen."""
        permit_files(self.gateway.options.connections)
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise ConfigurationError("The gateway could not start; its log has the reason.")
        loop = asyncio.get_running_loop()
        timeout = None if self._tls is None else _HANDSHAKE_SECONDS
        listening = await loop.create_server(
            self._protocol,
            sock=self._bound,
            ssl=self._tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=timeout,
            ssl_shutdown_timeout=timeout,
        )
        self.servers = [listening]
        self.started = True
        _notify("READY=1")
        _logger.info("The gateway listens.")

    async def shutdown(self, sockets: object = None) -> None:  # noqa: ARG002
        """Wait for running meetings, then close all connections."""
        self.gateway.drain()
        _notify("STOPPING=1")
        _logger.info("The gateway stops; running meetings: %d.", self.gateway.running)
        for listening in self.servers:
            listening.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol):
                connection.shutdown()
        await self._wait(lambda: not self.gateway.running, self.gateway.options.drain_seconds)
        left = self.gateway.running
        for connection in list(self.server_state.connections):
            if isinstance(connection, WebSocketsSansIOProtocol):
                connection.shutdown()
        if left:
            # Short, because the clients connect to another process already, which waits for
            # the locks of this one.
            await self._wait(lambda: not self.server_state.connections, _PARTING_SECONDS)
            _logger.warning("Meetings that another process has to continue: %d.", left)
            logging.shutdown()
            self._hand_over()
        await self._wait(lambda: not self.server_state.tasks, _REST_SECONDS)
        await self.lifespan.shutdown()
        _logger.info("The gateway has stopped.")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals inside the block; Python permits it in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: self.handle_exit,
            signal.SIGTERM: self.handle_exit,
        }
        if sys.platform != "win32":
            handlers[signal.SIGHUP] = self._reload
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop gracefully; the next signal ends the process at once, by its default action."""
        self.should_exit = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _reload(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._tls is not None:
            try:
                _load_certificate(self._tls, self.gateway.options)
                _logger.info("The TLS files were read again.")
            except (OSError, ValueError):
                _logger.exception("The TLS files cannot be used; the former ones stay in use.")

    def _protocol(self) -> asyncio.Protocol:
        return self._connection(self.config, self.server_state, self.lifespan.state)

    @staticmethod
    async def _wait(done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)


def _notify(state: str) -> None:
    """Send a state to systemd, for units with ``Type=notify``."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name and sys.platform == "linux":
        # An abstract name begins with "@" in the variable, and with a zero byte in the kernel.
        address = "\0" + name[1:] if name.startswith("@") else name
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.sendto(state.encode(), address)


def _config(gateway: Gateway, tls: ssl.SSLContext | None) -> uvicorn.Config:
    options = gateway.options
    config = uvicorn.Config(
        create_app(gateway),
        http="h11",
        ws=websocket_protocol(options),
        ws_max_size=options.message_bytes,
        # Small messages of a hostile client could expand to large ones, and audio is dense.
        ws_per_message_deflate=False,
        ws_ping_interval=options.ping_seconds,
        ws_ping_timeout=options.ping_seconds,
        h11_max_incomplete_event_size=options.header_bytes,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        lifespan="on",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=options.behind_proxy,
        forwarded_allow_ips=list(options.proxies),
    )
    config.load()
    config.ssl = tls  # for addresses that the application makes
    return config
