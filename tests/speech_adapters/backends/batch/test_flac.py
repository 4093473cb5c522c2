"""Recordings that are encoded as FLAC before they are uploaded."""

from __future__ import annotations

import errno
import io
import os
import random
import subprocess
import sys
import threading
import urllib.request
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from azure.storage.blob import BlobClient

from double.batch_parts import Parts, blob_names
from double.encoded import decode, encode, tone
from double.meetings import Properties, record, use
from double.missing import hide_package
from double.service import ServiceDouble
from speech_adapters import JobState
from speech_adapters.audio import PcmFormat, mix_down
from speech_adapters.backends.batch import flac as module
from speech_adapters.backends.batch import storage as storage_module
from speech_adapters.backends.batch import upload as upload_module
from speech_adapters.backends.batch.chunks import Chunk, blob_name
from speech_adapters.backends.batch.flac import encode_chunk, flac_path
from speech_adapters.backends.batch.storage import WavBlocks
from speech_adapters.errors import MissingExtraError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.original import SENT_AS_IT_IS, keep_original
from speech_adapters.store import Store

Run = Callable[..., Any]
STEREO = PcmFormat(channels=2)
# Neither silence nor a tone, so that a wrong place or channel is noticed.
NOISE = random.Random(7).randbytes(2 * 16_000 * 3)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_FRAMES", 5_000)


async def content(parts: Parts, name: str) -> bytes:
    with urllib.request.urlopen(await parts.storage.address(name)) as answer:
        data: bytes = answer.read()
        return data


async def finish(parts: Parts, recording: str) -> JobState:
    state = JobState.PROCESSING
    for _ in range(6):
        state = state if state.final else await parts.step(recording)
    return state


async def leftovers(parts: Parts, recording: str) -> list[str]:
    """Return the names of the files beside the audio."""
    audio = (await parts.get(recording)).audio_path
    return sorted(path.name for path in audio.parent.iterdir() if path != audio)


def samples(data: bytes) -> bytes:
    with wave.open(io.BytesIO(data)) as file:
        found: bytes = file.readframes(file.getnframes())
        return found


@pytest.mark.parametrize(
    ("pcm", "chunk", "policy"),
    [
        (PcmFormat(), Chunk(0, 48_000), "auto"),
        (PcmFormat(), Chunk(7_001, 20_000), "auto"),
        (STEREO, Chunk(0, 24_000), "average"),
        (STEREO, Chunk(0, 24_000), "sum"),
        (STEREO, Chunk(1_000, 12_345, channel=1), "average"),
        (PcmFormat(44_100, 3), Chunk(0, 16_000), "auto"),
    ],
)
def test_the_file_has_the_samples_of_the_wav_file(
    run: Run, pcm: PcmFormat, chunk: Chunk, policy: str
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.get(await parts.record(NOISE, audio=pcm))
        list(encode_chunk(recording, chunk.as_flac(), policy))
        with WavBlocks(recording.audio_path, chunk, pcm, policy) as reader:
            wav = reader.read(0)
        made = decode(flac_path(recording, chunk.as_flac()).read_bytes())
        assert samples(made) == samples(wav)
        assert made[22:28] == wav[22:28]  # channels and sample rate
        assert flac_path(recording, chunk.as_flac()).stat().st_mode & 0o077 == 0

    run(work)


def test_the_service_reads_flac_and_nothing_is_left(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)
        await parts.step(recording)
        assert parts.blobs(recording) == [f"{recording}.0.all.flac"]
        data = await content(parts, f"{recording}.0.all.flac")
        assert data.startswith(b"fLaC")
        assert samples(decode(data)) == NOISE
        assert await leftovers(parts, recording) == []
        assert await finish(parts, recording) is JobState.COMPLETED
        transcript = await parts.store.run(Store.transcript, recording)
        assert transcript.utterances[0].text == "A double heard 3.000 seconds."
        # It was decoded from no file, and FLAC changes nothing.
        assert SENT_AS_IT_IS not in transcript.provenance.notes
        assert parts.blobs(recording) == []

    run(work, flac=True)
    assert len(double.submitted) == 1


def test_each_part_and_channel_is_a_file_of_its_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_module, "LONGEST_SECONDS", 1)

    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE, audio=STEREO)
        await parts.step(recording)
        chunks = (await parts.progress(recording)).chunks
        assert [chunk.channel for chunk in chunks] == [0, 1, 0, 1]
        names = [blob_name(recording, chunk, STEREO) for chunk in chunks]
        assert parts.blobs(recording) == sorted(names)
        for channel in range(2):
            found = [
                samples(decode(await content(parts, name)))
                for name, chunk in zip(names, chunks, strict=True)
                if chunk.channel == channel
            ]
            assert b"".join(found) == mix_down(NOISE, 2, f"channel:{channel}")
        assert await finish(parts, recording) is JobState.COMPLETED

    run(work, flac=True, channels="split")


def test_the_file_that_a_recording_was_decoded_from_is_preferred(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.mp3"
    file.write_bytes(encode(tone(10), "mp3"))

    async def work(parts: Parts) -> None:
        recording = await parts.record(tone(10))
        keep_original(await parts.get(recording), file)
        await parts.step(recording)
        assert await content(parts, f"{recording}.0.all.mp3") == file.read_bytes()

    run(work, flac=True)


def test_an_empty_recording_is_sent_as_wav(run: Run) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record(b"")
        await parts.step(recording)
        assert parts.blobs(recording) == [f"{recording}.0.all.wav"]

    run(work, flac=True)


def test_an_upload_continues_with_the_same_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_module, "_BLOCK_BYTES", 20_000)
    sent: list[bytes] = []
    stage = BlobClient.stage_block

    def staging(self: BlobClient, block_id: str, data: bytes, **options: Any) -> Any:
        if len(sent) == 2:
            raise ValueError("the process ends here")
        sent.append(data)
        return stage(self, block_id, data, **options)

    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)
        monkeypatch.setattr(BlobClient, "stage_block", staging)
        with pytest.raises(Exception, match="storage"):
            await parts.step(recording)
        monkeypatch.setattr(BlobClient, "stage_block", stage)
        assert await leftovers(parts, recording) == [f"{recording}.0.all.flac"]

        def encode_again(*_: object) -> Any:
            raise AssertionError

        monkeypatch.setattr(module, "encode_flac", encode_again)
        await parts.step(recording)
        data = await content(parts, f"{recording}.0.all.flac")
        assert data.startswith(b"".join(sent))
        assert samples(decode(data)) == NOISE

    run(work, flac=True, upload_connections=1)  # in their order


# Encodes some blocks, prints a line after the third, and waits.
_PROGRAM = """
import sys, threading
from pathlib import Path
from speech_adapters.backends.batch import flac
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.store import Store

flac._BLOCK_FRAMES = 5_000
with Store.open(Path(sys.argv[1])) as store:
    shares = flac.encode_chunk(store.get(sys.argv[2]), Chunk(0, 48_000).as_flac(), "auto")
    for _ in range(3):
        next(shares)
    print("encoding", flush=True)
    threading.Event().wait()
"""


def test_after_sigkill_the_file_is_encoded_from_its_start(run: Run) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)
        arguments = [sys.executable, "-c", _PROGRAM, str(parts.store.directory), recording]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "encoding\n"
            killed.kill()
        assert await leftovers(parts, recording) == [f"{recording}.0.all.flac-part"]
        await parts.step(recording)
        assert samples(decode(await content(parts, f"{recording}.0.all.flac"))) == NOISE
        assert await leftovers(parts, recording) == []

    run(work, flac=True)


def interrupting(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[int]:
    """Call ``act`` when the third block is read; return a list that grows with each block."""
    read: list[int] = []

    def mixing(data: bytes, channels: int, policy: str) -> bytes:
        read.append(len(data))
        if len(read) == 3:
            act()
        return mix_down(data, channels, policy)

    monkeypatch.setattr(module, "mix_down", mixing)
    return read


@pytest.mark.parametrize(("seconds", "blocks"), [(0.0, 3), (1000.0, 10)])
def test_encoding_ends_when_the_meeting_is_deleted(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    blocks: int,
) -> None:
    """At the next report, or at the end of the chunk."""
    monkeypatch.setattr(upload_module, "_REPORT_SECONDS", seconds)

    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)

        def delete() -> None:
            with Store.open(parts.store.directory) as store:
                store.delete(recording)

        read = interrupting(monkeypatch, delete)
        before = await parts.get(recording)
        assert await parts.uploader.upload(before, await parts.progress(recording)) is None
        assert len(read) == blocks
        assert await leftovers(parts, recording) == []
        found = blob_names(parts.connection, "speech-compat")
        assert not [name for name in found if name.startswith(recording)]

    run(work, flac=True)
    assert caplog.text == ""


def test_canceled_encoding_leaves_no_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed in a worker thread: the event loop must not wait for the disk."""
    removed_by: list[threading.Thread] = []
    unlink = Path.unlink

    def noted(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".flac-part":
            removed_by.append(threading.current_thread())
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", noted)

    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)
        scope = anyio.CancelScope()
        read = interrupting(monkeypatch, lambda: anyio.from_thread.run_sync(scope.cancel))
        with scope:
            await parts.step(recording)
        assert len(read) == 3
        assert await leftovers(parts, recording) == []

    run(work, flac=True)
    assert len(removed_by) == 1
    assert removed_by[0] is not threading.main_thread()


def test_a_file_that_appears_after_the_deletion_is_removed(
    properties: Properties, double: ServiceDouble
) -> None:
    """By a process that noticed the deletion late."""
    double.polls = 100
    folder = Path(properties()["state_dir"])

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        (audio,) = folder.rglob("*.pcm")
        await meetings.delete("m")
        file = audio.with_name(f"{audio.stem}.0.all.flac")
        file.write_bytes(b"fLaC")
        double.jobs[double.submitted[0]].status = "Succeeded"
        await meetings.sweep()
        assert not file.exists()

    use(properties(flac="true"), work)


def test_without_space_the_recording_is_sent_as_wav(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)
        monkeypatch.setattr(os, "fsync", fail)
        await parts.step(recording)
        assert await leftovers(parts, recording) == []
        assert samples(await content(parts, f"{recording}.0.all.wav")) == NOISE
        assert await finish(parts, recording) is JobState.COMPLETED
        assert parts.blobs(recording) == []

    run(work, flac=True)
    assert "'m' is sent as WAV, not FLAC: No space left on device" in caplog.text


def test_audio_that_is_lost_is_an_error_and_no_shorter_file(run: Run) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.get(await parts.record(NOISE))
        recording.audio_path.write_bytes(NOISE[:30_000])
        chunk = Chunk(0, 48_000).as_flac()
        with pytest.raises(Exception, match="shorter than it was"):
            list(encode_chunk(recording, chunk, "auto"))
        assert await leftovers(parts, recording.id) == []

    run(work)


def test_a_file_that_the_service_refuses_is_sent_again_as_wav(
    run: Run, double: ServiceDouble
) -> None:
    double.failures = {".flac": "InvalidAudioFormat"}

    async def work(parts: Parts) -> None:
        recording = await parts.record(NOISE)
        assert await finish(parts, recording) is JobState.COMPLETED
        assert len(double.submitted) == 2
        assert parts.blobs(recording) == []

    run(work, flac=True)


def test_a_missing_package_is_named_when_the_backend_is_created(
    properties: Properties, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_package(monkeypatch, "av")
    with pytest.raises(MissingExtraError, match=r"package av .*speech-compat\[audio\]"):
        use(properties(flac="true"), record)
    use(properties(), record)  # without the option it is not needed
