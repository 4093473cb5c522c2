"""Compressed files, which are uploaded as they are where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient, BlobServiceClient

from double.batch_parts import Parts
from double.encoded import encode, tone
from double.service import ServiceDouble
from speech_adapters import JobState
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import storage as storage_module
from speech_adapters.backends.batch import upload as upload_module
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.storage import FileBlocks
from speech_adapters.recording.original import SENT_AS_IT_IS, keep_original, original_path
from speech_adapters.store import Store

Run = Callable[..., Any]


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    path = tmp_path / "a.mp3"
    path.write_bytes(encode(tone(10), "mp3"))
    return path


async def record(parts: Parts, file: Path) -> str:
    recording = await parts.record(tone(10))
    keep_original(await parts.get(recording), file)
    return recording


async def finish(parts: Parts, recording: str) -> JobState:
    state = JobState.PROCESSING
    for _ in range(6):
        state = state if state.final else await parts.step(recording)
    return state


def content(parts: Parts, name: str) -> bytes:
    with BlobServiceClient.from_connection_string(parts.connection) as service:
        data: bytes = service.get_blob_client("speech-compat", name).download_blob().readall()
        return data


def test_the_file_is_uploaded_as_it_is(run: Run, double: ServiceDouble, mp3: Path) -> None:
    async def work(parts: Parts) -> None:
        recording = await record(parts, mp3)
        await parts.step(recording)
        (name,) = parts.blobs(recording)
        assert name == f"{recording}.0.all.mp3"
        assert content(parts, name) == mp3.read_bytes()
        assert await finish(parts, recording) is JobState.COMPLETED
        transcript = await parts.store.run(Store.transcript, recording)
        assert transcript.utterances[0].text.startswith("A double heard 10.0")
        assert SENT_AS_IT_IS in transcript.provenance.notes
        assert parts.blobs(recording) == []
        assert not original_path(await parts.get(recording)).exists()

    run(work)


def test_a_file_that_the_service_cannot_read_is_sent_again_as_wav(
    run: Run, double: ServiceDouble, mp3: Path
) -> None:
    double.failures = {".mp3": "InvalidAudioFormat"}

    async def work(parts: Parts) -> None:
        recording = await record(parts, mp3)
        assert await finish(parts, recording) is JobState.COMPLETED
        assert len(double.submitted) == 2
        transcript = await parts.store.run(Store.transcript, recording)
        assert transcript.utterances[0].text == "A double heard 10.000 seconds."
        assert SENT_AS_IT_IS not in transcript.provenance.notes
        assert parts.blobs(recording) == []

    run(work)


def test_a_deletion_removes_the_blobs_of_both_attempts(
    run: Run, double: ServiceDouble, mp3: Path
) -> None:
    double.failures = {".mp3": "InvalidAudioFormat"}

    async def work(parts: Parts) -> None:
        recording = await record(parts, mp3)
        while len(double.submitted) < 2:
            await parts.step(recording)
        assert [name[-3:] for name in parts.blobs(recording)] == ["mp3", "wav"]
        await parts.store.run(Store.delete, recording)
        await parts.runner.cleanup.discard(await parts.get(recording))
        assert parts.blobs(recording) == []

    run(work)


def test_the_wav_that_fails_too_is_final(run: Run, double: ServiceDouble, mp3: Path) -> None:
    double.failures = {"": "InvalidAudioFormat"}

    async def work(parts: Parts) -> None:
        recording = await record(parts, mp3)
        assert await finish(parts, recording) is JobState.FAILED
        assert len(double.submitted) == 2

    run(work)


def test_a_recording_that_is_too_long_for_one_file_is_cut(
    run: Run, mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "LONGEST_SECONDS", 6)

    async def work(parts: Parts) -> None:
        recording = await record(parts, mp3)
        await parts.step(recording)
        assert {name[-4:] for name in parts.blobs(recording)} == {".wav"}

    run(work)


def test_an_upload_continues_with_the_missing_blocks(
    run: Run, mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_BLOCK_BYTES", 5_000)
    sent: list[bytes] = []
    stage = BlobClient.stage_block

    def staging(self: BlobClient, block_id: str, data: bytes, **options: Any) -> Any:
        if len(sent) == 2:
            raise ValueError("the process ends here")
        sent.append(data)
        return stage(self, block_id, data, **options)

    async def work(parts: Parts) -> None:
        recording = await record(parts, mp3)
        monkeypatch.setattr(BlobClient, "stage_block", staging)
        with pytest.raises(Exception, match="storage"):
            await parts.step(recording)
        monkeypatch.setattr(BlobClient, "stage_block", stage)
        await parts.step(recording)
        assert content(parts, f"{recording}.0.all.mp3") == mp3.read_bytes()

    run(work, upload_connections=1)  # in their order
    assert b"".join(sent) == mp3.read_bytes()[:10_000]


@pytest.mark.parametrize("size", [0, 1, 5_000, 5_001, 12_345])
def test_the_blocks_of_a_file_are_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(storage_module, "_BLOCK_BYTES", 5_000)
    path = tmp_path / "a"
    path.write_bytes(bytes(n % 251 for n in range(size)))
    with FileBlocks(path, Chunk(0, 0), PcmFormat(), "auto") as reader:
        ids = reader.ids()
        data = b"".join(reader.read(number) for number in range(len(ids)))
    assert data == path.read_bytes()
    assert len({len(block_id) for block_id in ids}) == 1
