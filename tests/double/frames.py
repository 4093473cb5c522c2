"""Websocket frames on a plain socket, for clients that break the rules."""

from __future__ import annotations

import socket
import struct

__all__ = ["BINARY", "CLOSE", "PING", "TEXT", "close_code", "frame", "read_frame", "read_text"]

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9


def frame(opcode: int, data: bytes = b"", *, declared: int | None = None) -> bytes:
    """Return a masked frame; ``declared`` replaces the size in its header."""
    size = len(data) if declared is None else declared
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | 127) + struct.pack("!Q", size)
    return head + bytes(4) + data  # a mask of zeros changes nothing


def read_frame(connection: socket.socket) -> tuple[int, bytes]:
    """Return the opcode and the data of the next frame.

    Raises:
        EOFError: the connection has ended.
    """
    head = connection.recv(2, socket.MSG_WAITALL)
    if len(head) < 2:
        raise EOFError
    size = head[1] & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
    return head[0] & 0x0F, connection.recv(size, socket.MSG_WAITALL) if size else b""


def read_text(connection: socket.socket) -> str:
    """Return the next text message."""
    while True:
        opcode, data = read_frame(connection)
        if opcode == TEXT:
            return data.decode()


def close_code(connection: socket.socket) -> int:
    """Return the code with which the server closes."""
    while True:
        opcode, data = read_frame(connection)
        if opcode == CLOSE:
            return int.from_bytes(data[:2], "big")
