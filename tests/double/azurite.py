"""Azurite, the emulator of Blob Storage, as a process for the tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

__all__ = ["azurite"]

_SCRIPT: Final = Path(__file__).parents[1] / "node/node_modules/azurite/dist/src/blob/main.js"
# The account that every Azurite has; its documentation publishes the key, so it is no secret.
_ACCOUNT: Final = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEt"
    "lCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
)


@contextmanager
def azurite() -> Iterator[str]:
    """Run Azurite in memory on loopback; yield a connection string.  Skip if it cannot run."""
    node = shutil.which("node")
    if node is None or not _SCRIPT.is_file():
        pytest.skip(
            "Azurite needs node and its packages: run `make test` where node and npm are installed"
        )
    port = _free_port()
    process = subprocess.Popen(
        [
            *(node, str(_SCRIPT), "--blobHost", "127.0.0.1", "--blobPort", str(port)),
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield f"{_ACCOUNT}BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "Azurite did not start"
            time.sleep(0.1)
