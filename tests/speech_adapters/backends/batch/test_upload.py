from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobClient

from double.batch_parts import Parts
from double.service import ServiceDouble
from speech_adapters import JobState, MeetingRequest
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.batch import storage as storage_module
from speech_adapters.backends.batch import upload as module
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.progress import BatchProgress, BatchStage
from speech_adapters.backends.batch.upload import Uploader, diarizes, splits_channels
from speech_adapters.errors import AudioError, ConfigurationError
from speech_adapters.store import Store
from speech_adapters.store.sqlite import SqliteStore

Run = Callable[..., Any]
STEREO = PcmFormat(channels=2)


async def upload(parts: Parts, recording: str) -> BatchProgress | None:
    return await parts.uploader.upload(await parts.get(recording), await parts.progress(recording))


@pytest.mark.parametrize(
    ("channels", "pcm", "asked", "splits", "diarized"),
    [
        ("mix", STEREO, True, False, True),
        ("split", STEREO, True, True, True),
        ("speakers", STEREO, True, True, False),
        ("speakers", PcmFormat(), True, False, True),
        ("split", STEREO, False, False, False),
        ("speakers", STEREO, False, False, False),
    ],
)
def test_when_channels_are_split_and_speakers_distinguished(
    channels: str, pcm: PcmFormat, asked: bool, splits: bool, diarized: bool
) -> None:
    options = BatchOptions.model_validate({"channels": channels})
    request = MeetingRequest("m", audio=pcm, differentiate_speakers=asked)
    assert splits_channels(request, options) == splits
    assert diarizes(request, options) == diarized


def test_the_chunks_are_stored_before_their_upload(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion finds the blobs by them, and a later process must not cut elsewhere."""
    monkeypatch.setattr(module, "LONGEST_SECONDS", 1)

    async def work(parts: Parts) -> tuple[Chunk, ...]:
        recording = await parts.record(b"\x01\x00" * 24_000)

        def no_upload(*_: object) -> None:
            raise KeyError

        monkeypatch.setattr(parts.storage, "upload", no_upload)
        with pytest.raises(KeyError):
            await upload(parts, recording)
        return (await parts.progress(recording)).chunks

    chunks = run(work)
    assert len(chunks) == 2
    assert sum(chunk.frames for chunk in chunks) == 24_000


def test_a_file_is_never_larger_than_the_service_accepts(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_BYTES", 20_000)

    async def work(parts: Parts) -> BatchProgress | None:
        return await upload(parts, await parts.record(differentiate_speakers=False))

    progress = run(work)
    assert progress.uploaded_chunks == len(progress.chunks) > 1
    assert all(chunk.frames <= 10_000 for chunk in progress.chunks)


def test_only_missing_chunks_are_uploaded(run: Run) -> None:
    chunks = (Chunk(0, 8_000), Chunk(8_000, 8_000))

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.change(recording, chunks=chunks, uploaded_chunks=1)
        progress = await upload(parts, recording)
        assert progress is not None
        assert (progress.stage, progress.uploaded_chunks) == (BatchStage.UPLOADED, 2)
        assert parts.blobs(recording) == [f"{recording}.5000000.all.wav"]

    run(work)


def test_the_share_of_all_chunks_is_the_step(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REPORT_SECONDS", 0.0)
    monkeypatch.setattr(storage_module, "_BLOCK_BYTES", 8_000)
    steps = []
    report = SqliteStore.report

    def noted(store: SqliteStore, recording: str, **values: Any) -> None:
        steps.append(values.get("step"))
        report(store, recording, **values)

    monkeypatch.setattr(SqliteStore, "report", noted)

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.change(recording, chunks=(Chunk(0, 8_000), Chunk(8_000, 8_000)))
        await upload(parts, recording)

    run(work)
    assert [step for step in steps if step] == [
        f"uploading, {share}%" for share in (25, 50, 75, 100)
    ]


@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_an_upload_ends_when_its_meeting_is_deleted(
    run: Run, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """At the next report, or at the end of the chunk."""
    monkeypatch.setattr(module, "_REPORT_SECONDS", seconds)
    monkeypatch.setattr(storage_module, "_BLOCK_BYTES", 8_000)
    staged: list[str] = []
    real = BlobClient.stage_block

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        folder = parts.store.directory

        def stage(blob: BlobClient, block_id: str, data: bytes) -> Any:
            staged.append(block_id)
            if len(staged) == 2:
                with Store.open(folder) as store:
                    store.delete(recording)
            return real(blob, block_id, data)

        monkeypatch.setattr(BlobClient, "stage_block", stage)
        await parts.change(recording, chunks=(Chunk(0, 8_000), Chunk(8_000, 8_000)))
        assert await upload(parts, recording) is None
        assert len(parts.blobs(recording)) == (0 if seconds == 0 else 1)
        await parts.uploader.delete(await parts.get(recording), await parts.progress(recording))
        assert parts.blobs(recording) == []

    run(work, upload_connections=1)  # with several, the second block may end before the first
    assert len(staged) == 2


def test_a_meeting_deleted_before_its_upload_is_not_uploaded(run: Run) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        before = await parts.get(recording)
        await parts.store.run(Store.delete, recording)
        assert await parts.uploader.upload(before, BatchProgress()) is None
        assert parts.blobs(recording) == []

    run(work)


@pytest.mark.parametrize("longest", [1, 1000])
def test_lost_audio_is_an_error_with_the_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    """While a long recording is cut, or when it is uploaded."""
    monkeypatch.setattr(module, "LONGEST_SECONDS", longest)

    async def work(parts: Parts) -> None:
        recording = await parts.record(b"\x01\x00" * 24_000)
        (await parts.get(recording)).audio_path.unlink()
        with pytest.raises(AudioError, match=r"cannot be read.* No such file|\(No such file"):
            await upload(parts, recording)
        assert (await parts.get(recording)).state is JobState.PROCESSING

    run(work)


def test_without_a_storage_account_the_missing_option_is_named(
    run: Run, tmp_path: Path, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.get(await parts.record())
        uploader = Uploader(parts.store, None, BatchOptions(), "auto")
        progress = BatchProgress(chunks=(Chunk(0, 16_000),))
        for call in (uploader.upload, uploader.addresses, uploader.delete):
            with pytest.raises(ConfigurationError, match="storage_connection_string or"):
                await call(recording, progress)

    run(work)
