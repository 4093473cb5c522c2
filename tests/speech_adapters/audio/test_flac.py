from __future__ import annotations

import errno
import hashlib
import io
import random
from typing import Any

import pytest

from double.encoded import decode, tone
from double.missing import block_imports
from speech_adapters.audio.flac import encode_flac
from speech_adapters.errors import AudioError, MissingExtraError


def blocks(pcm: bytes, size: int) -> list[bytes]:
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 48_000, 384_000])
def test_the_samples_are_the_same_after_decoding(rate: int) -> None:
    """Those of noise too, which cannot be compressed, and of a rate that no codec names."""
    pcm = tone(1.0, rate) + random.Random(rate).randbytes(20_002)
    file = io.BytesIO()
    done = list(encode_flac(blocks(pcm, 7_000), file, rate))
    assert done[0] == 3_500
    assert done[-1] == len(pcm) // 2
    found = decode(file.getvalue())
    assert int.from_bytes(found[24:28], "little") == rate
    assert found[44:] == pcm


def test_the_header_has_the_length_and_the_checksum_of_the_samples() -> None:
    pcm = tone(1.0)
    file = io.BytesIO()
    list(encode_flac([pcm], file, 16_000))
    header = file.getvalue()[8:42]
    assert int.from_bytes(header[10:18], "big") & (1 << 36) - 1 == 16_000
    assert header[18:34] == hashlib.md5(pcm).digest()


def test_a_target_without_space_is_an_error_of_the_system(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        list(encode_flac([random.Random(1).randbytes(400_000)] * 4, Full(), 16_000))
    assert capfd.readouterr().err == ""


def test_audio_that_the_encoder_refuses_is_an_error_with_the_reason() -> None:
    with pytest.raises(AudioError, match="cannot be encoded as FLAC: "):
        list(encode_flac([tone(1.0)], io.BytesIO(), 2_000_000))


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    block_imports(monkeypatch, "av")
    with pytest.raises(MissingExtraError, match=r'pip install "speech-compat\[audio\]"'):
        list(encode_flac([tone(1.0)], io.BytesIO(), 16_000))
