"""A network between a client and a service, which breaks where a test orders it."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import attrs

__all__ = ["Cut", "broken_network"]

# A server's close frame without a reason; the code follows.
_CLOSE_FRAME: Final = b"\x88\x02"
_QUIET_SECONDS: Final = 0.2
_BLOCK: Final = 65_536


@attrs.frozen
class Cut:
    """Where a connection breaks, in bytes that the client has sent.

    Attributes:
        after: the connection ends after so many.
        deaf: from here on the client receives nothing any more.
        code: close code that the client receives; 0 for a connection that is reset.
        action: called when the connection ends.
    """

    after: int
    deaf: int | None = None
    code: int = 0
    action: Callable[[], object] = bool


@contextmanager
def broken_network(port: Callable[[], int], cuts: Sequence[Cut]) -> Iterator[int]:
    """Yield a port that leads to a service; the n-th connection breaks at the n-th cut.

    Args:
        port: returns the port of the service for the next connection.
        cuts: where the first connections break.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        pending = list(cuts)
        threading.Thread(target=_accept, args=(server, port, pending), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    assert not pending, "the client did not come again"


def _accept(server: socket.socket, port: Callable[[], int], cuts: list[Cut]) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            cut = cuts.pop(0) if cuts else None
            threading.Thread(target=_connect, args=(client, port(), cut), daemon=True).start()


def _connect(client: socket.socket, port: int, cut: Cut | None) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as service, suppress(OSError):
        if cut is None:
            cut = Cut(after=2**62)
        sent = _relay(client, service, cut)
        if sent < cut.after:
            return
        cut.action()
        if cut.code:
            _drain(service, client)
            client.sendall(_CLOSE_FRAME + cut.code.to_bytes(2, "big"))
            client.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while client.recv(_BLOCK):
                    pass
        for side in (client, service):
            # A reset instead of a proper end.
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _relay(client: socket.socket, service: socket.socket, cut: Cut) -> int:
    """Relay both directions until the cut or an end; return the bytes that the client sent."""
    sent = 0
    while sent < cut.after:
        ready, _, _ = select.select([client, service], [], [])
        for side in ready:
            data = side.recv(_BLOCK)
            if not data:
                return sent
            if side is client:
                sent += len(data)
                service.sendall(data)
            elif cut.deaf is None or sent < cut.deaf:
                client.sendall(data)
    return sent


def _drain(service: socket.socket, client: socket.socket) -> None:
    """Relay whole messages: the service has nothing more to send when it is quiet."""
    while select.select([service], [], [], _QUIET_SECONDS)[0]:
        data = service.recv(_BLOCK)
        if not data:
            return
        client.sendall(data)
