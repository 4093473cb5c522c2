"""An upload whose process is killed continues with the blocks that are missing."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.storage.blob import BlobClient

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import storage as module
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.storage import Storage

_BLOCKS = 12
_BLOCK_BYTES = 100_000
# Uploads some blocks, prints the id of each, and then waits with the others in flight.
_PROGRAM = f"""
import sys, threading
from pathlib import Path
import anyio
from azure.storage.blob import BlobClient
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import storage
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions

storage._BLOCK_BYTES = {_BLOCK_BYTES}
real, guard, count = BlobClient.stage_block, threading.Lock(), [0]

def stage(self, block_id, data):
    with guard:
        count[0] += 1
        number = count[0]
    # The first one that begins stays in flight too, so that what is missing has a gap.
    if number == 1 or number > 6:
        threading.Event().wait()
    real(self, block_id, data)
    print(block_id, flush=True)

BlobClient.stage_block = stage

async def main():
    options = BatchOptions.model_validate({{"storage_connection_string": sys.argv[1]}})
    found = storage.Storage(options, None)
    chunk = Chunk(0, {_BLOCKS * _BLOCK_BYTES // 2})
    async for _ in found.upload("killed.wav", Path(sys.argv[2]), chunk, PcmFormat(), "auto"):
        pass

anyio.run(main)
"""


def test_after_sigkill_only_the_missing_blocks_are_sent(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = tmp_path / "meeting.pcm"
    audio.write_bytes(bytes(range(250)) * (_BLOCKS * _BLOCK_BYTES // 250))
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, storage, str(audio)], stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        before = {killed.stdout.readline().strip() for _ in range(5)}
        killed.kill()
    sent: set[str] = set()
    real = BlobClient.stage_block

    def stage(self: BlobClient, block_id: str, data: bytes) -> Any:
        sent.add(block_id)
        return real(self, block_id, data)

    monkeypatch.setattr(BlobClient, "stage_block", stage)
    monkeypatch.setattr(module, "_BLOCK_BYTES", _BLOCK_BYTES)

    async def resume() -> str:
        options = BatchOptions.model_validate({"storage_connection_string": storage})
        found = Storage(options, None)
        chunk = Chunk(0, _BLOCKS * _BLOCK_BYTES // 2)
        async for _ in found.upload("killed.wav", audio, chunk, PcmFormat(), "auto"):
            pass
        address = await found.address("killed.wav")
        await found.aclose()
        return address

    address = anyio.run(resume)
    assert len(before) == 5
    assert not sent & before
    assert len(sent | before) == _BLOCKS
    with urllib.request.urlopen(address) as answer:
        assert answer.read()[44:] == audio.read_bytes()
