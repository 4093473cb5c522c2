from __future__ import annotations

import os
import wave
from pathlib import Path

import anyio
import pytest

from double.encoded import encode, tone
from double.missing import block_imports
from speech_adapters.audio import PcmFormat
from speech_adapters.diagnosis import AudioFile, Finding, Level, run_check
from speech_compat.cli.doctor_audio import examine

SOUND = b"\1\0\2\0"


def findings(path: Path) -> tuple[dict[str, Finding], AudioFile | None]:
    checks, audio = examine(path)

    async def work() -> dict[str, Finding]:
        return {check.id: await run_check(check, online=False) for check in checks}

    return anyio.run(work), audio


def write(path: Path, frames: int, *, rate: int = 16_000, sound: bytes = SOUND) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(sound) // 2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound * frames)
    return path


def test_format_and_length_are_read(tmp_path: Path) -> None:
    found, audio = findings(write(tmp_path / "x.wav", 32_000))
    assert found["audio.format"].text == "WAV, 16000 Hz, 2 channels, 0 min 2.0 s"
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert audio == AudioFile(tmp_path / "x.wav", PcmFormat(16_000, 2), 2.0, 64_000)


@pytest.mark.parametrize(
    ("begin", "kind"),
    [(b"ID3\x03", "MP3"), (b"\xff\xfb\x90\x64", "MP3"), (b"fLaC", "FLAC")],
)
def test_damaged_audio_of_another_kind(tmp_path: Path, begin: bytes, kind: str) -> None:
    path = tmp_path / "two words.wav"
    path.write_bytes(begin + bytes(1_000))
    found, audio = findings(path)
    assert audio is None
    assert found["audio.format"].level is Level.FAILED
    assert f"{path} is no {kind} audio that can be used" in found["audio.format"].text
    assert "No backend can use it" in found["audio.format"].text
    # A command that can be copied.
    assert f"ffmpeg -i '{path}'" in found["audio.format"].fix


def test_a_compressed_file_with_the_name_of_a_wav_file(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    data = encode(tone(2.0), "flac")
    path.write_bytes(data)
    found, audio = findings(path)
    assert found["audio.format"].text == "FLAC, 16000 Hz, 1 channel, 0 min 2.0 s"
    assert audio == AudioFile(path, PcmFormat(16_000, 1), 2.0, 64_000)
    path.write_bytes(data[: len(data) // 2])
    found, audio = findings(path)
    assert found["audio.format"].level is Level.WARNING
    assert "The file is truncated: " in found["audio.format"].text
    assert audio is not None
    assert audio.seconds < 2.0


def test_a_compressed_file_without_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.flac"
    path.write_bytes(encode(tone(0.5), "flac"))
    block_imports(monkeypatch, "av")
    found, audio = findings(path)
    assert audio is None
    assert found["audio.format"].level is Level.FAILED
    assert 'pip install "speech-compat[audio]"' in found["audio.format"].fix


def test_a_file_that_does_not_exist_or_is_empty(tmp_path: Path) -> None:
    found, _ = findings(tmp_path / "none.wav")
    assert "No such file" in found["audio.format"].text
    assert found["audio.format"].fix == "Check the name of the file."
    (tmp_path / "empty.wav").touch()
    assert "is empty" in findings(tmp_path / "empty.wav")[0]["audio.format"].text


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    found, audio = findings(tmp_path / "pipe.wav")
    assert audio is None
    assert found["audio.format"].text.endswith("pipe.wav is not a regular file.")
    found, _ = findings(tmp_path)
    assert found["audio.format"].level is Level.FAILED
    found, _ = findings(tmp_path / ("x" * 300))
    assert "File name too long" in found["audio.format"].text


def test_audio_of_a_telephone(tmp_path: Path) -> None:
    found, _ = findings(write(tmp_path / "x.wav", 16_000, rate=8_000))
    assert found["audio.format"].level is Level.WARNING
    assert "less accurately" in found["audio.format"].text


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 32_000)
    path.write_bytes(path.read_bytes()[:-64_000])
    found, _ = findings(path)
    assert found["audio.format"].level is Level.WARNING
    assert "truncated: 1.000 s" in found["audio.format"].text


def test_silence_and_very_short_files(tmp_path: Path) -> None:
    found, _ = findings(write(tmp_path / "x.wav", 32_000, sound=bytes(4)))
    assert found["audio.content"].level is Level.WARNING
    assert "no sound" in found["audio.content"].text
    found, _ = findings(write(tmp_path / "y.wav", 1_600))
    assert "only 0.10 s long" in found["audio.content"].text


def test_a_file_from_a_pipe_has_the_length_of_its_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", 32_000)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    _, audio = findings(path)
    assert audio is not None
    assert audio.seconds == pytest.approx(2.0, abs=0.01)
