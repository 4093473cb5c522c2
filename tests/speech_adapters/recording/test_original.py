from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest

from double.encoded import FORMATS, encode, tone
from speech_adapters.audio import PcmFormat
from speech_adapters.recording.original import (
    find_original,
    keep_original,
    original_path,
    remove_original,
)
from speech_adapters.store import Recording
from speech_adapters.store.files import remove_files

TYPES = {
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "webm": "audio/webm",
    "wma": "audio/x-ms-wma",
}


@pytest.fixture
def recorded(recording: Recording) -> Recording:
    recording.audio_path.parent.mkdir(parents=True, exist_ok=True)
    recording.audio_path.write_bytes(tone(10))
    return recording


def write(folder: Path, data: bytes) -> Path:
    path = folder / "audio"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_kind_that_the_service_accepts_is_kept(
    recorded: Recording, tmp_path: Path, suffix: str
) -> None:
    data = encode(tone(10), suffix)
    keep_original(recorded, write(tmp_path, data))
    original = find_original(recorded)
    if suffix == "m4a":  # the service does not list it
        assert original is None
        return
    assert original is not None
    assert (original.suffix, original.size) == (suffix, len(data))
    assert original.media_type == TYPES.get(suffix, f"audio/{suffix}")
    assert original.path.read_bytes() == data
    assert original.path.stat().st_mode & 0o077 == 0


def test_matroska_that_is_no_webm_is_not_kept(recorded: Recording, tmp_path: Path) -> None:
    keep_original(recorded, write(tmp_path, encode(tone(10), "matroska", codec="flac")))
    assert find_original(recorded) is None


def test_what_has_several_channels_or_is_larger_is_not_kept(
    recorded: Recording, tmp_path: Path
) -> None:
    request = attrs.evolve(recorded.request, audio=PcmFormat(16_000, 2))
    stereo = attrs.evolve(recorded, request=request)
    keep_original(stereo, write(tmp_path, encode(tone(10, channels=2), "flac", channels=2)))
    recorded.audio_path.write_bytes(tone(0.1))
    keep_original(recorded, write(tmp_path, encode(tone(10), "flac")))
    assert not original_path(recorded).exists()


def test_without_the_file_or_space_the_recording_is_used(
    recorded: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_original(recorded, tmp_path / "missing")

    def fail(source: Any, target: Any) -> None:
        target.write(source.read(100))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    keep_original(recorded, write(tmp_path, encode(tone(10), "mp3")))
    assert find_original(recorded) is None


def test_it_is_removed_alone_or_with_the_recording(recorded: Recording, tmp_path: Path) -> None:
    file = write(tmp_path, encode(tone(10), "mp3"))
    keep_original(recorded, file)
    remove_original(recorded)
    remove_original(recorded)
    assert find_original(recorded) is None
    assert recorded.audio_path.exists()
    keep_original(recorded, file)
    remove_files(recorded.audio_path)
    assert list(recorded.audio_path.parent.iterdir()) == []
    assert file.exists()
