"""Uploading a long recording to Azurite, against azure-storage-blob's own best.

::

    python tests/benchmarks/bench_upload.py [--megabytes 460]

460 MB are 240 minutes of mono at 16 kHz, the longest that is told apart.  The library's
own way, ``upload_blob`` of the same bytes with its default settings and with several
connections, is the measure.  Both in one run, best of three; ends with 1 when this
project's way, which can go on after a crash, takes 15% longer than the library's best.
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

from azure.storage.blob import BlobServiceClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from double.azurite import azurite
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch.chunks import Part
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


def main() -> int:
    """Run the benchmark; gives 0 when the target is met."""
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
        ours = _best(
            lambda: storage.upload("ours.wav", path, Part(0, size // 2), PcmFormat(), "auto")
        )
        storage.close()
        library = {count: _library(connection, path, count) for count in (1, 4)}
    for count, seconds in library.items():
        print(f"upload_blob, {count} connection(s): {seconds:.2f} s")
    ratio = ours / min(library.values())
    print(f"in blocks that can be resumed: {ours:.2f} s, {ratio:.2f}x of the best")
    return 1 if ratio > MAX_RATIO else 0


if __name__ == "__main__":
    sys.exit(main())
