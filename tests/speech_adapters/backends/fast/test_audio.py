from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.fast.audio import MonoWav


def spool(tmp_path: Path, size: int) -> Path:
    path = tmp_path / "a.pcm"
    path.write_bytes(bytes(n % 251 for n in range(size)))
    return path


@pytest.mark.parametrize("piece", [1, 7, 4096, -1])
def test_it_is_a_wav_however_it_is_read(tmp_path: Path, piece: int) -> None:
    with MonoWav(spool(tmp_path, 9_001), 9_001, PcmFormat(8_000, 1), "auto") as file:
        data = b""
        while part := file.read(piece):
            data += part
    with wave.open(io.BytesIO(data)) as found:
        assert found.getparams()[:4] == (1, 2, 8_000, 4_500)
        assert found.readframes(5_000) == (tmp_path / "a.pcm").read_bytes()[:9_000]


def test_channels_are_mixed_down(tmp_path: Path) -> None:
    path = tmp_path / "a.pcm"
    path.write_bytes(b"\x02\x00\x04\x00" * 100)
    with MonoWav(path, 400, PcmFormat(16_000, 2), "auto") as file:
        assert file.read()[44:] == b"\x03\x00" * 100


def test_its_length_can_be_asked_for_before_it_is_read(tmp_path: Path) -> None:
    with MonoWav(spool(tmp_path, 1_000), 1_000, PcmFormat(16_000, 2), "first") as file:
        length = file.seek(0, io.SEEK_END)
        assert file.read() == b""
        assert file.seek(0) == file.tell() == 0
        assert len(file.read()) == length == 544
        with pytest.raises(io.UnsupportedOperation):
            file.seek(5)
    file.close()
