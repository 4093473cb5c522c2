"""What the command ``transcribe`` keeps of a recording that fails, on the services' doubles."""

from __future__ import annotations

import json
import re
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from double.encoded import encode, tone
from double.service import KEY, ServiceDouble, running
from speech_adapters.audio import WavFile
from speech_adapters.config import load_settings
from speech_adapters.errors import AudioError
from speech_adapters.recording.original import SENT_AS_IT_IS
from speech_adapters.store import Store
from speech_compat.cli import main

TEXT = "[00:00:00] Guest-1: A double heard 10.000 seconds.\n"


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, storage: str) -> Iterator[ServiceDouble]:
    double = ServiceDouble()
    with running(double):
        for name, value in {
            "SERVICE__ENDPOINT": double.url,
            "SERVICE__KEY": KEY,
            "BACKENDS__BATCH__POLL_SECONDS": "0",
            "BACKENDS__BATCH__STORAGE_CONNECTION_STRING": storage,
        }.items():
            monkeypatch.setenv(f"SPEECH_COMPAT_{name}", value)
        yield double


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x00" * 160_000)
    return path


def kept() -> list[str]:
    with Store.open(load_settings().state_dir) as store:
        return [found.state.value for found in store.recordings()]


@pytest.mark.parametrize("backend", ["batch", "fast"])
def test_a_failed_upload_is_reported_with_its_id_and_continued(
    double: ServiceDouble, recording: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    double.accepted = {"another key"}
    command = ["transcribe", str(recording), "--backend", backend]
    assert main(command) == 1
    error = capsys.readouterr().err
    found = re.search(
        r"stored as meeting (speech-compat-[0-9a-f]{32})\. Try it again with: speech-compat resume"
        r" \1\. Discard it with: speech-compat delete \1\n",
        error,
    )
    assert found, error
    assert error.count("speech-compat delete") == 1
    (before,) = kept()
    assert before in ("Processing", "Failed")
    double.accepted = {KEY}
    # The same command continues with what is stored; it records nothing again.
    assert main(command) == 0
    assert capsys.readouterr().out == TEXT
    assert kept() == ["Deleted"]


def test_a_failed_upload_is_discarded_by_its_id(
    double: ServiceDouble, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    double.accepted = {"another key"}
    assert main(["transcribe", str(recording), "--backend", "batch"]) == 1
    found = re.search(r"speech-compat (delete) (\S+)\n", capsys.readouterr().err)
    assert found
    double.accepted = {KEY}
    assert main([*found.groups()]) == 0
    assert kept() == ["Deleted"]


def test_another_content_is_another_meeting(
    double: ServiceDouble, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    double.accepted = {"another key"}
    assert main(["transcribe", str(recording), "--backend", "batch"]) == 1
    double.accepted = {KEY}
    recording.write_bytes(recording.read_bytes() + b"\0\0")
    capsys.readouterr()
    assert main(["transcribe", str(recording), "--backend", "batch"]) == 0
    assert sorted(kept()) == ["Deleted", "Processing"]


@pytest.mark.parametrize("wanted", [False, True])
def test_a_part_of_a_recording_is_kept_only_with_a_meeting_id(
    double: ServiceDouble,
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    wanted: bool,
) -> None:
    read = WavFile.read

    def fail(file: WavFile, frames: int) -> bytes:
        if file.frames_read:
            raise AudioError("talk.wav cannot be read: the disk was removed.")
        return read(file, frames)

    monkeypatch.setattr(WavFile, "read", fail)
    command = ["transcribe", str(recording), "--backend", "batch"]
    assert main([*command, "--meeting-id", "m"] if wanted else command) == 1
    error = capsys.readouterr().err
    assert "the disk was removed" in error
    assert ("Discard it with: speech-compat delete m\n" in error) is wanted
    (state,) = kept()
    assert (state == "Deleted") is not wanted


@pytest.mark.parametrize("backend", ["batch", "fast"])
def test_a_compressed_file_is_sent_as_it_is(
    double: ServiceDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    path = tmp_path / "talk.mp3"
    path.write_bytes(encode(tone(10), "mp3"))
    assert main(["transcribe", str(path), "--backend", backend, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["provenance"]["notes"] == [SENT_AS_IT_IS]
    assert document["utterances"][0]["text"].startswith("A double heard 10.0")
    assert [name for name, _, _ in double.uploads] == (["audio.mp3"] if backend == "fast" else [])


def test_the_defects_of_a_compressed_file_are_in_the_stored_transcript(
    double: ServiceDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = encode(tone(10), "flac")
    path = tmp_path / "talk.flac"
    path.write_bytes(data[: len(data) // 2])
    assert main(["transcribe", str(path), "--backend", "fast", "--format", "json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["provenance"]["notes"][0].startswith("The file is truncated: ")
    assert [name for name, _, _ in double.uploads] == ["audio.wav"]
