from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.fast.audio import MonoWav, mono_size
from speech_adapters.errors import StoreError


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


def test_its_length_is_known_before_it_is_read(tmp_path: Path) -> None:
    pcm = PcmFormat(16_000, 2)
    with MonoWav(spool(tmp_path, 1_000), 1_000, pcm, "first") as file:
        assert len(file.read()) == mono_size(1_000, pcm) == 544
    file.close()


def test_a_missing_file_is_an_error_and_leaves_nothing_to_close(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        MonoWav(tmp_path / "missing.pcm", 100, PcmFormat(), "auto")
    # Python closes an object that was never constructed completely.
    MonoWav.__new__(MonoWav).close()


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_the_header_states_the_length_of_the_mono_audio(tmp_path: Path, channels: int) -> None:
    pcm = PcmFormat(16_000, channels)
    audio = spool(tmp_path, 2 * channels * 50 + 1)
    with MonoWav(audio, 2 * channels * 50 + 1, pcm, "auto") as file:
        data = file.read()
    assert len(data) == 44 + 100
    assert int.from_bytes(data[4:8], "little") == 36 + 100, "the length of the RIFF chunk"
    assert int.from_bytes(data[40:44], "little") == 100, "the length of the data chunk"
