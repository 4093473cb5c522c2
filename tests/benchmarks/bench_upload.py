"""Uploading a recording to a distant account, against azure-storage-blob's own best.

::

    python tests/benchmarks/bench_upload.py [--megabytes 100] [--connections 1 4 8]

Azurite is behind a network with a round trip of 20 ms and 10 MB/s for each connection.  The
measure is the library's own ``upload_blob`` of the same bytes with 8 connections, which cannot
continue after a crash.  All run in turn, best of three.  The exit code is 1 if this project's
upload with its default settings takes 1.2 times as long.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio
from azure.storage.blob import BlobServiceClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from double.azurite import azurite
from double.slow_network import slow_network
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.storage import Storage

__all__ = ["main"]

MAX_RATIO: Final = 1.2
_LIBRARY_CONNECTIONS: Final = 8
_ROUNDS: Final = 3
_ROUND_TRIP: Final = 0.020
_RATE: Final = 10_000_000.0
_MEGABYTE: Final = 1_000_000


def _library(connection: str, path: Path, size: int) -> float:
    with BlobServiceClient.from_connection_string(connection) as service:
        blob = service.get_blob_client("speech-compat", "library.wav")
        started = time.perf_counter()
        with path.open("rb") as file:
            blob.upload_blob(
                file, length=size, overwrite=True, max_concurrency=_LIBRARY_CONNECTIONS
            )
        return time.perf_counter() - started


def _ours(connection: str, path: Path, size: int, connections: int) -> float:
    options = BatchOptions.model_validate(
        {"storage_connection_string": connection, "upload_connections": connections}
    )

    async def upload() -> float:
        storage = Storage(options, None)
        chunk = Chunk(0, size // 2)
        started = time.perf_counter()
        async for _ in storage.upload("ours.wav", path, chunk, PcmFormat(), "auto"):
            pass
        seconds = time.perf_counter() - started
        await storage.delete("ours.wav")  # its blocks would not be sent again
        await storage.aclose()
        return seconds

    return anyio.run(upload)


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    default = BatchOptions().upload_connections
    parser = argparse.ArgumentParser(description="Measure uploads.")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 4, default])
    options = parser.parse_args()
    size = options.megabytes * _MEGABYTE
    with azurite() as connection, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meeting.pcm"
        path.write_bytes(os.urandom(size))
        port = int(re.findall(r":(\d+)/", connection)[0])
        with slow_network(port, round_trip=_ROUND_TRIP, rate=_RATE) as slow:
            distant = connection.replace(f":{port}/", f":{slow}/")
            _ours(distant, path, size, default)  # creates the container, and warms up
            rounds = [
                (
                    _library(distant, path, size),
                    {n: _ours(distant, path, size, n) for n in options.connections},
                )
                for _ in range(_ROUNDS)
            ]
    library = min(theirs for theirs, _ in rounds)
    print(f"upload_blob, {_LIBRARY_CONNECTIONS} connections: {library:.2f} s")
    ratios = {n: min(ours[n] for _, ours in rounds) / library for n in options.connections}
    for number, ratio in ratios.items():
        print(f"in blocks that can be resumed, {number} at a time: {ratio:.2f}x")
    return 1 if ratios.get(default, 0.0) > MAX_RATIO else 0


if __name__ == "__main__":
    sys.exit(main())
