"""The messages of the speech websocket, without any I/O.

A text message is header lines, an empty line and a body; a binary one is the
length of its headers (two bytes, big-endian), the headers and the body.  Seen on
the wire of the SDK 1.43 and 1.53 with public parameters pointed at loopback.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

__all__ = ["Message", "compose", "parse"]


@attrs.frozen
class Message:
    """One message; header names in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.headers.get("path", "").lower()

    @property
    def request_id(self) -> str:
        return self.headers.get("x-requestid", "")


def parse(data: str | bytes) -> Message:
    """Read a message as the client sends it."""
    if isinstance(data, str):
        head, _, body = data.partition("\r\n\r\n")
        return Message(_headers(head), body.encode())
    size = int.from_bytes(data[:2], "big")
    return Message(_headers(data[2 : 2 + size].decode()), data[2 + size :])


def compose(path: str, request_id: str, body: dict[str, Any] | str) -> str:
    """Write a message as the service sends it; the client wants its own request id back."""
    text = body if isinstance(body, str) else json.dumps(body)
    return (
        f"X-RequestId:{request_id}\r\nContent-Type:application/json; charset=utf-8\r\n"
        f"Path:{path}\r\n\r\n{text}"
    )


def _headers(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.split("\r\n") if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
