"""A network with a latency, and a limited rate for each connection, as a process of its own.

In the process of a measured program it would share the interpreter's lock with it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["slow_network"]

_READ: Final = 65_536
# Reads in flight in one direction of a connection; the sender waits then.
_QUEUE: Final = 32


@contextmanager
def slow_network(port: int, *, round_trip: float, rate: float) -> Iterator[int]:
    """Yield a port of loopback that leads to another one.

    Args:
        port: the other port.
        round_trip: seconds that a request and its answer spend on the way.
        rate: bytes per second of each connection, in each direction.
    """
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), str(round_trip), str(rate)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _serve(port: int, latency: float, rate: float) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        service_reader, service_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _relay(reader, service_writer, latency, rate),
            _relay(service_reader, writer, latency, rate),
        )

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, latency: float, rate: float
) -> None:
    """Relay one direction; all data arrives ``latency`` seconds after it was sent."""
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUE)
    sending = asyncio.create_task(_send(queue, writer))
    clock, free = asyncio.get_running_loop().time, 0.0
    with suppress(OSError):
        while data := await reader.read(_READ):
            # The line is busy until the data before has been sent.
            free = max(free, clock()) + len(data) / rate
            await queue.put((free + latency, data))
    await queue.put((0.0, b""))
    await sending


async def _send(queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    with suppress(OSError):
        while True:
            due, data = await queue.get()
            if not data:
                break
            await asyncio.sleep(due - clock())
            writer.write(data)
            await writer.drain()
        writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 2, float(sys.argv[3])))
