"""uvicorn's protocols of HTTP and websockets, with deadlines that it does not have.

A client that sends its request byte by byte, does not read its answer, or vanished without a
word would otherwise occupy a connection for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from speech_compat.gateway.options import GatewayOptions

__all__ = ["HttpProtocol", "WebSocketProtocol", "http_protocol", "websocket_protocol"]

# How long a closed connection may take to send what is left.
_CLOSE_SECONDS: Final = 5.0
# What a client may still send after its request was refused, so that it reads the answer.
_DISCARDED_BYTES: Final = 1_048_576
# A client that means it has sent its request by then.
_ROOM_SECONDS: Final = 1.0
_PROTOCOL_ERROR: Final = 1002
_INVALID_DATA: Final = 1007
_SERVICE_RESTART: Final = 1012
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_UNAVAILABLE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class _BoundedProtocol(asyncio.Protocol):
    """What both protocols do if their client does not read, or ends the connection.

    Attributes:
        options: the options of the gateway.
        loop, transport: those of the protocol of uvicorn beside this class.
    """

    options: GatewayOptions
    loop: Any
    transport: Any
    # Ends a connection whose client does not read.
    _unread: asyncio.TimerHandle | None = None

    def eof_received(self) -> None:
        """Close the connection, as asyncio does after this, in bounded time."""
        self._close()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.options.body_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: the client has read."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _close(self) -> None:
        _close_soon(self.transport, self.loop)


class HttpProtocol(_BoundedProtocol, H11Protocol):
    """One HTTP connection.

    ::

        connected ──▶ HEADERS ──request──▶ BODY ──complete──▶ (application) ──answered──▶ HEADERS
                      header_seconds       body_seconds

    If there are too many connections, one that has waited for its request for a while makes
    room for another one: connections that do nothing must not keep others out.

    Subclasses made by :func:`http_protocol` set the attributes.

    Attributes:
        waiting: connections that wait for a request, the first one longest, and since when.
    """

    waiting: dict[HttpProtocol, float]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # What the connection waits for, and the timer that ends it.
        self._awaited = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._discarded = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or refuse the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.options.connections and not self._make_room():
            transport.write(_UNAVAILABLE)
            self._close()
            return
        self._wait_for("headers")

    def data_received(self, data: bytes) -> None:
        """Process data, unless the connection is about to be closed."""
        if self.transport.is_closing():
            return
        self._discard(data)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn itself limits the time until its first byte."""
        super().on_response_complete()
        self._watch()
        if self.transport.is_closing():
            self._close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Refuse what is no HTTP, and close the connection."""
        # Not by h11, which permits no body for HEAD, and no second answer, if the body of a
        # request that is answered already is broken.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_BAD_REQUEST)
        self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._wait_for("")
        self.resume_writing()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Pass on the connection; the websocket has its own deadlines."""
        self._wait_for("")
        super().handle_websocket_upgrade(event)

    def shutdown(self) -> None:
        """Close the connection when its answer is complete."""
        super().shutdown()
        if self.transport.is_closing():
            self._close()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._close()

    def _watch(self) -> None:
        """Choose the deadline for the state that the connection is in."""
        if self.transport.get_protocol() is not self or self.transport.is_closing():
            self._wait_for("")
        elif self.conn.their_state is h11.SEND_BODY:
            self._wait_for("body")
        elif self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._wait_for("headers")
        else:
            self._wait_for("")

    def _wait_for(self, awaited: str) -> None:
        """Start the deadline of a new state; more bytes in the same state do not extend it."""
        if awaited == self._awaited:
            return
        self._awaited = awaited
        self.waiting.pop(self, None)
        if awaited == "headers":
            self.waiting[self] = self.loop.time()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        seconds = {
            "headers": self.options.header_seconds,
            "body": self.options.body_seconds,
        }.get(awaited)
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> bool:
        """End the connection that has waited longest; returns whether there was one."""
        first = next(iter(self.waiting), None)
        if first is None or self.loop.time() - self.waiting[first] < _ROOM_SECONDS:
            return False
        first._wait_for("")
        first.transport.abort()
        return True

    def _discard(self, data: bytes) -> None:
        """Count the rest of a body whose request was answered already."""
        if self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY:
            self._discarded += len(data)
            if self._discarded > _DISCARDED_BYTES:
                self.transport.abort()
        else:
            self._discarded = 0


class WebSocketProtocol(_BoundedProtocol, WebSocketsSansIOProtocol):
    """One websocket.

    A client is cut off after two pings without any data from it, and when it does not read for
    ``body_seconds``.  While the application does not read, because it is busy with earlier
    audio, the answers to pings are not read either, and so prove nothing.

    Subclasses made by :func:`websocket_protocol` set the options.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # Whether a ping was unanswered and no data has come since.
        self._silent = False

    def data_received(self, data: bytes) -> None:
        """Process data; refuse a request that is no handshake."""
        self._silent = False
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            # The library prepares an answer for some errors, and uvicorn sends none.
            prepared = b"".join(self.conn.data_to_send())
            self.handshake_complete = self.close_sent = True
            self.transport.write(prepared or _BAD_REQUEST)
            self._close()
        elif self.transport.is_closing():
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self.resume_writing()
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read the answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # dropped, since they would pile up

    def handle_cont(self, event: Any) -> None:
        """Add a part of a message; any number of empty ones does not count to its size."""
        if event.data or event.fin:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Pass on a message; uvicorn logs a text that is not Unicode as an error of its own."""
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self.frames = []
            self.conn.fail(_INVALID_DATA)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """End the connection after a broken frame; its handshake may be unanswered."""
        if self.conn.close_sent is not None:
            super().handle_parser_exception()
            return
        self.handshake_complete = self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _PROTOCOL_ERROR})
        self.transport.close()

    async def run_asgi(self) -> None:
        """Run the application, and close the connection after it."""
        await super().run_asgi()
        if self.transport.is_closing():
            self._close()

    def keepalive_timeout(self) -> None:
        """End the connection at the second ping without an answer."""
        if self.read_paused or not self._silent:
            self._silent = not self.read_paused
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        # The other side does not read, so closing would wait for it.
        self.transport.abort()

    def shutdown(self) -> None:
        """Close with code 1012: the client may connect again, to another process.

        The rest of its audio is read and dropped until it has received the code.  A socket
        that is closed with unread data is reset, which the client may notice first; the
        JavaScript SDK does not connect again then (docs/protocol/speech-websocket.md, 4.2).
        """
        if self.close_sent or not self.handshake_complete:
            super().shutdown()
            self._close()
            return
        self.stop_keepalive()
        self.conn.send_close(_SERVICE_RESTART)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application; after :meth:`shutdown` it counts as gone."""
        if self.close_sent and self.initial_response is None:
            raise ClientDisconnected
        await super().send(message)
        if self.close_timer is not None:
            # uvicorn's own timer would wait for the client to read what is left.
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(_CLOSE_SECONDS, self.transport.abort)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # Otherwise uvicorn logs each refused handshake as an error of the application.
            self.handshake_complete = True


def http_protocol(options: GatewayOptions) -> type[HttpProtocol]:
    """Return the class of HTTP connections with these options."""
    found = type("_HttpProtocol", (HttpProtocol,), {"options": options, "waiting": {}})
    return cast(type[HttpProtocol], found)


def websocket_protocol(options: GatewayOptions) -> type[WebSocketProtocol]:
    """Return the class of websockets with these options."""
    found = type("_WebSocketProtocol", (WebSocketProtocol,), {"options": options})
    return cast(type[WebSocketProtocol], found)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _close_soon(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
    """Close a connection, with a limit for sending the rest to a client that does not read."""
    transport.close()
    abort: Callable[[], None] = transport.abort
    loop.call_later(_CLOSE_SECONDS, abort)
