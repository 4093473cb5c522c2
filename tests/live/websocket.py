"""A recording connection between the Speech SDK and the real-time service.

The SDK connects to loopback without TLS, and each message is passed on as it is.
"""

from __future__ import annotations

import http
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from vcr.serializers import yamlserializer
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Request, Response
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from live.capture import RUN
from speech_compat.testing.scrubbing import Scrubber

__all__ = ["Message", "WebsocketRecorder"]

# Of one connection only; the library writes them itself.
_HOP: Final = ("host", "connection", "upgrade")
_AUDIO_HEADER: Final = 2


@attrs.frozen
class Message:
    """A message of either side.

    Attributes:
        sender: ``client`` or ``service``.
        headers: its headers; those of an answer to a handshake have ``:status`` too.
        body: the body as JSON or text; of audio, its length only.
    """

    sender: str
    headers: dict[str, str]
    body: Any

    @property
    def path(self) -> str:
        """The kind of the message."""
        return next((v for k, v in self.headers.items() if k.lower() == "path"), "handshake")


class WebsocketRecorder:
    """Records the messages of all connections.

    Args:
        upstream: address of the service.
        scrubber: removes secrets.

    Attributes:
        messages: the scrubbed messages, in order.
    """

    def __init__(self, upstream: str, scrubber: Scrubber) -> None:
        self._upstream = upstream
        self._scrubber = scrubber
        # Each connection has two threads that add messages.
        self._lock = threading.Lock()
        self._connections: dict[int, ClientConnection] = {}
        self._closing = ExitStack()
        self.messages: list[Message] = []

    @contextmanager
    def running(self) -> Iterator[str]:
        """Yield the address on loopback, with the path of the service."""
        # The connections to the service end before the server, whose threads read from them.
        with (
            serve(
                self._pass_on,
                "127.0.0.1",
                0,
                process_request=self._connect,
                select_subprotocol=lambda _, offered: next(iter(offered), None),
                compression=None,
                max_size=None,
            ) as server,
            self._closing,
        ):
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                port = server.socket.getsockname()[1]
                yield f"ws://127.0.0.1:{port}{urlsplit(self._upstream).path}"
            finally:
                server.shutdown()
                thread.join(10)

    def write(self, path: Path, origin: str, run: str) -> None:
        """Write the messages as a cassette, whose first line is ``origin``."""
        messages = [attrs.asdict(message) for message in self.messages]
        text = yamlserializer.serialize({"version": 1, "messages": messages})
        path.write_text(f"{origin}\n{text.replace(run, RUN)}", encoding="utf-8")

    def _connect(self, connection: ServerConnection, request: Request) -> Response | None:
        """Connect to the service; refuse the client in the same way if that fails."""
        headers = {k: v for k, v in request.headers.raw_items() if not _is_hop(k)}
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        self._add("client", {":path": request.path}, "")
        parts = urlsplit(self._upstream)
        address = parts._replace(
            path=urlsplit(request.path).path, query=urlsplit(request.path).query
        )
        try:
            upstream = self._closing.enter_context(
                connect(
                    address.geturl(),
                    additional_headers=headers,
                    subprotocols=[Subprotocol(offered)] if offered else None,
                    user_agent_header=None,
                    compression=None,
                    max_size=None,
                )
            )
        except InvalidStatus as error:
            self._add("service", _handshake(error.response), "")
            status = http.HTTPStatus(error.response.status_code)
            return connection.respond(status, "refused by the service\n")
        except (OSError, ssl.SSLError, TimeoutError, WebSocketException) as error:
            self._add("service", {":error": type(error).__name__}, "")
            return connection.respond(http.HTTPStatus.BAD_GATEWAY, "the service is not reached\n")
        if upstream.response is not None:
            self._add("service", _handshake(upstream.response), "")
        self._connections[id(connection)] = upstream
        return None

    def _pass_on(self, client: ServerConnection) -> None:
        upstream = self._connections.pop(id(client))
        back = threading.Thread(target=self._pump, args=(upstream, client, "service"), daemon=True)
        back.start()
        self._pump(client, upstream, "client")
        back.join(10)

    def _pump(
        self,
        source: ClientConnection | ServerConnection,
        sink: ClientConnection | ServerConnection,
        sender: str,
    ) -> None:
        with suppress(ConnectionClosed, OSError):
            try:
                for data in source:
                    self._record(sender, data)
                    sink.send(data)
            finally:
                sink.close(source.close_code or 1000)

    def _record(self, sender: str, data: str | bytes) -> None:
        if isinstance(data, bytes):
            length = int.from_bytes(data[:_AUDIO_HEADER], "big")
            head = data[_AUDIO_HEADER : _AUDIO_HEADER + length].decode("latin-1")
            body: Any = f"{len(data) - _AUDIO_HEADER - length} bytes"
        else:
            head, _, text = data.partition("\r\n\r\n")
            body = self._scrubber.text(text)
            with suppress(ValueError):
                body = json.loads(body)
        pairs = (line.partition(":") for line in head.splitlines() if ":" in line)
        self._add(sender, {name.strip(): value.strip() for name, _, value in pairs}, body)

    def _add(self, sender: str, headers: dict[str, str], body: Any) -> None:
        clean = {name: self._scrubber.text(value) for name, value in headers.items()}
        with self._lock:
            self.messages.append(Message(sender, clean, body))


def _is_hop(name: str) -> bool:
    return name.lower() in _HOP or name.lower().startswith("sec-websocket-")


def _handshake(response: Response) -> dict[str, str]:
    kept = {k: v for k, v in response.headers.raw_items() if "cookie" not in k.lower()}
    return {":status": str(response.status_code), **kept}
