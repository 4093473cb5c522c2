"""A client of the speech websocket that sends exactly what a test orders."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from speech_compat.gateway.framing import Message, parse

__all__ = ["RawClient", "audio_message", "connected", "text_message", "wav_header"]

_PATIENCE = 20.0


def wav_header(
    channels: int = 1, rate: int = 16_000, bits: int = 16, tag: int = 1, size: int = 44
) -> bytes:
    """Return a WAV header as clients send it: without sizes."""
    frame = bits // 8 * channels
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    form += bytes(size - 44)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(form)) + form + b"data\0\0\0\0"


def text_message(path: str, request_id: str, body: Any, **headers: str) -> str:
    """Return a text message; a body that is no text becomes JSON."""
    lines = {"Path": path, "X-RequestId": request_id, **headers}
    head = "".join(f"{name}:{value}\r\n" for name, value in lines.items())
    return f"{head}\r\n{body if isinstance(body, str) else json.dumps(body)}"


def audio_message(request_id: str, body: bytes) -> bytes:
    """Return an audio message, with the headers of the Speech SDK; an empty one ends a turn."""
    kind = "Content-Type:audio/x-wav\r\n" if body.startswith(b"RIFF") else ""
    head = f"Path:audio\r\nX-RequestId:{request_id}\r\nX-StreamId:1\r\n{kind}".encode()
    return len(head).to_bytes(2, "big") + head + body


class RawClient:
    """One connection; answers of the service are read on demand."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.request_id = ""

    def text(self, path: str, body: Any, **headers: str) -> None:
        """Send a text message; a body that is no text becomes JSON."""
        self._connection.send(text_message(path, self.request_id, body, **headers))

    def start(self, context: dict[str, Any] | None = None, **meeting: Any) -> None:
        """Open a turn, of a meeting if there are fields of one; with the audio's header."""
        self.request_id = uuid.uuid4().hex
        self.text("speech.context", {"audio": {"streams": {"1": None}}, **(context or {})})
        if meeting:
            self.event("start", **meeting)
        self.audio(wav_header())

    def event(self, name: str, **meeting: Any) -> None:
        """Send a ``speech.event``."""
        self.text("speech.event", {"id": "meeting", "name": name, "meeting": meeting})

    def audio(self, body: bytes) -> None:
        """Send one audio message; an empty one ends the turn."""
        self._connection.send(audio_message(self.request_id, body))

    def raw(self, data: str | bytes) -> None:
        """Send a message as it is."""
        self._connection.send(data)

    def receive(self) -> Message:
        """Return the next message of the service."""
        return parse(self._connection.recv(_PATIENCE))

    def until(self, path: str) -> list[Message]:
        """Return the messages up to one of a path, which is the last."""
        found = [self.receive()]
        while found[-1].path != path:
            found.append(self.receive())
        return found

    def closed(self) -> tuple[int, str]:
        """Wait until the service closes the connection; return the code and the reason."""
        with suppress(ConnectionClosed):
            while True:
                self._connection.recv(_PATIENCE)
        assert self._connection.close_code is not None
        return self._connection.close_code, self._connection.close_reason or ""

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@contextmanager
def connected(
    address: str, key: str = "", connection_id: str = "", path: str = "/", **headers: str
) -> Iterator[RawClient]:
    """Connect; yields the client."""
    credentials = {"Ocp-Apim-Subscription-Key": key} if key else {}
    own = {"X-ConnectionId": connection_id} if connection_id else {}
    with connect(
        address.replace("http", "ws", 1) + path,
        additional_headers={**credentials, **own, **headers},
        compression=None,
    ) as connection:
        yield RawClient(connection)
