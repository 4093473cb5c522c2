"""The messages of the speech websocket, without any I/O.

A text message consists of header lines, an empty line and a body.  A binary message
consists of the length of its headers (two bytes, big-endian), the headers and the body
(docs/protocol/speech-websocket.md, 2.2).  Clients differ in the space after the colon and in
the case of header names, and accept less than they send
(docs/protocol/speech-websocket.md, 2.3): the service must spell header names as the real one
does, and return the request id byte for byte.
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
    """The received data is not a message of the speech websocket."""


@attrs.frozen
class Message:
    """One message as received.

    Attributes:
        headers: values by name, names in lower case.
        body: JSON in text messages, audio in binary ones.
        binary: whether it was a binary message.
    """

    headers: Mapping[str, str]
    body: bytes
    binary: bool = False

    @property
    def path(self) -> str:
        """The message type in lower case: ``speech.context``, ``audio``, ..."""
        return self.headers.get("path", "").lower()

    @property
    def request_id(self) -> str:
        """The id of the turn, as the client spelled it; empty without one."""
        return self.headers.get("x-requestid", "")

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            FramingError: the body is not a JSON object.
        """
        try:
            found = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
            raise FramingError(f"The body of {self.path!r} is not JSON: {error}.") from None
        if not isinstance(found, dict):
            raise FramingError(f"The body of {self.path!r} is not a JSON object.")
        return found


def parse(data: str | bytes) -> Message:
    """Parse a message from a client.

    Raises:
        FramingError: a binary message is shorter than its headers, or text is not Unicode.
    """
    if isinstance(data, str):
        head, _, body = data.partition("\r\n\r\n")
        try:
            head.encode()
            return Message(_headers(head), body.encode())
        except UnicodeEncodeError:
            raise FramingError("A text message has half a surrogate pair.") from None
    size = int.from_bytes(data[:_LENGTH_BYTES], "big")
    end = _LENGTH_BYTES + size
    if len(data) < max(end, _LENGTH_BYTES):
        raise FramingError(f"A binary message of {len(data)} bytes declares longer headers.")
    try:
        head = data[_LENGTH_BYTES:end].decode()
    except UnicodeDecodeError:
        raise FramingError("The headers of a binary message are not text.") from None
    return Message(_headers(head), data[end:], binary=True)


def compose(
    path: str,
    request_id: str,
    body: Mapping[str, Any] | str,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Return a text message from the service.

    Args:
        path: the message type.
        request_id: the turn's id as the client spelled it; clients ignore any other.
        body: a JSON object, or text that is sent unchanged.
        headers: additional headers.
    """
    text = body if isinstance(body, str) else json.dumps(body)
    lines = {"X-RequestId": request_id, "Content-Type": _JSON, "Path": path, **(headers or {})}
    head = "".join(f"{name}:{value}\r\n" for name, value in lines.items())
    return f"{head}\r\n{text}"


def _headers(text: str) -> dict[str, str]:
    # Lower case and stripped: clients differ in both (docs/protocol/speech-websocket.md, 2.3).
    pairs = (line.partition(":") for line in text.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
