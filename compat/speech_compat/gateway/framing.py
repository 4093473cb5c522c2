"""The messages of the speech websocket, without any I/O.

A text message is header lines, an empty line and a body; a binary one is the length of
its headers (two bytes, big-endian), the headers and the body
(docs/protocol/speech-websocket.md, 2.2).  Clients differ in the space after the colon and in the
case of header names; the service's side must not (docs/protocol/speech-websocket.md, 2.3):
names are written as the service writes them, and the request id goes back byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs

__all__ = ["FramingError", "Message", "compose", "parse"]

_LENGTH_BYTES: Final = 2
_JSON: Final = "application/json; charset=utf-8"


class FramingError(ValueError):
    """What was received is no message of the speech websocket."""


@attrs.frozen
class Message:
    """One message as received.

    Attributes:
        headers: values by name, names in lower case.
        body: what follows the headers: JSON in text messages, audio in binary ones.
        binary: whether it was a binary message.
    """

    headers: Mapping[str, str]
    body: bytes
    binary: bool = False

    @property
    def path(self) -> str:
        """What it is about, in lower case: ``speech.context``, ``audio``, ..."""
        return self.headers.get("path", "").lower()

    @property
    def request_id(self) -> str:
        """The turn it belongs to, as the client spelled it; empty where there is none."""
        return self.headers.get("x-requestid", "")

    def document(self) -> dict[str, Any]:
        """Give the body as a JSON object.

        Raises:
            FramingError: it is none.
        """
        try:
            found = json.loads(self.body or b"{}")
        except ValueError as error:
            raise FramingError(f"The body of {self.path!r} is no JSON: {error}.") from None
        if not isinstance(found, dict):
            raise FramingError(f"The body of {self.path!r} is no JSON object.")
        return found


def parse(data: str | bytes) -> Message:
    """Read a message as a client sends it.

    Raises:
        FramingError: a binary message is shorter than its headers, or they are no text.
    """
    if isinstance(data, str):
        head, _, body = data.partition("\r\n\r\n")
        return Message(_headers(head), body.encode())
    size = int.from_bytes(data[:_LENGTH_BYTES], "big")
    end = _LENGTH_BYTES + size
    if len(data) < max(end, _LENGTH_BYTES):
        raise FramingError(f"A binary message of {len(data)} bytes says it has more headers.")
    try:
        head = data[_LENGTH_BYTES:end].decode()
    except UnicodeDecodeError:
        raise FramingError("The headers of a binary message are no text.") from None
    return Message(_headers(head), data[end:], binary=True)


def compose(
    path: str,
    request_id: str,
    body: Mapping[str, Any] | str,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Write a text message as the service sends it.

    Args:
        path: what it is about.
        request_id: of the turn, spelled as the client did: others are ignored by it.
        body: a JSON object, or text that is sent as it is.
        headers: further headers.
    """
    text = body if isinstance(body, str) else json.dumps(body)
    lines = {"X-RequestId": request_id, "Content-Type": _JSON, "Path": path, **(headers or {})}
    head = "".join(f"{name}:{value}\r\n" for name, value in lines.items())
    return f"{head}\r\n{text}"


def _headers(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
