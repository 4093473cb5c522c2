"""Uploading a long recording to Azurite, against azure-storage-blob's own best.

::

    python tests/benchmarks/bench_upload.py [--megabytes 460]

460 MB are 240 minutes of mono at 16 kHz, the longest recording that is diarized in one
file.  The measure is the library's own ``upload_blob`` of the same bytes, with its default
settings and with several connections.  Both run here, best of three.  The exit code is 1
if this project's upload, which can continue after a crash, takes 15% longer than the best.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
from azure.storage.blob import BlobServiceClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from double.azurite import azurite
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.storage import Storage

__all__ = ["main"]

MAX_RATIO: Final = 1.15
_MEGABYTE: Final = 1_000_000


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def _library(connection: str, path: Path, connections: int) -> float:
    with BlobServiceClient.from_connection_string(connection) as service:
        blob = service.get_blob_client("speech-compat", f"library-{connections}.wav")

        def upload() -> None:
            with path.open("rb") as file:
                blob.upload_blob(file, overwrite=True, max_concurrency=connections)

        return _best(upload)


async def _upload(storage: Storage, path: Path, size: int) -> None:
    async for _ in storage.upload("ours.wav", path, Chunk(0, size // 2), PcmFormat(), "auto"):
        pass


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    parser = argparse.ArgumentParser(description="Measure uploads.")
    parser.add_argument("--megabytes", type=int, default=460)
    size = parser.parse_args().megabytes * _MEGABYTE
    with azurite() as connection, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "meeting.pcm"
        with path.open("wb") as file:
            for _ in range(size // _MEGABYTE):
                file.write(os.urandom(_MEGABYTE))
        options = BatchOptions.model_validate({"storage_connection_string": connection})
        storage = Storage(options, None)
        ours = _best(lambda: anyio.run(_upload, storage, path, size))
        anyio.run(storage.aclose)
        library = {count: _library(connection, path, count) for count in (1, 4)}
    for count, seconds in library.items():
        print(f"upload_blob, {count} connection(s): {seconds:.2f} s")
    ratio = ours / min(library.values())
    print(f"in blocks that can be resumed: {ours:.2f} s, {ratio:.2f}x of the best")
    return 1 if ratio > MAX_RATIO else 0


if __name__ == "__main__":
    sys.exit(main())
