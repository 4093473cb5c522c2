from __future__ import annotations

import math
import struct

import pytest

from speech_adapters.audio.pcm import PcmFormat, SourceFormat, to_pcm16
from speech_adapters.errors import AudioError


def converted(data: bytes, bits: int, encoding: str = "pcm") -> list[int]:
    pcm = to_pcm16(data, SourceFormat(bits=bits, encoding=encoding))
    return [value for (value,) in struct.iter_unpack("<h", pcm)]


def test_sizes_become_ticks_by_whole_frames() -> None:
    stereo = PcmFormat(48_000, 2)
    assert stereo.frame_bytes == 4
    assert stereo.bytes_per_second == 192_000
    assert stereo.ticks(192_000) == 10_000_000
    assert stereo.ticks(192_003) == 10_000_000
    assert stereo.mono_bytes(192_003) == 96_000
    assert PcmFormat(44_100).ticks(2) == 226  # 226.757...: counted, never rounded up


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_ticks_become_the_size_that_they_were_made_of(rate: int) -> None:
    pcm = PcmFormat(rate, 3)
    sizes = [frames * 6 for frames in (0, 1, 2, 3, 440, 441, rate, 7_201 * rate + 1)]
    assert [pcm.size(pcm.ticks(size)) for size in sizes] == sizes
    assert pcm.size(pcm.ticks(600) + 1) == 606


def test_16_bit_samples_are_returned_unchanged() -> None:
    data = b"\x01\x02\x03\x04"
    assert to_pcm16(data, SourceFormat(channels=2)) is data


def test_integers_keep_their_highest_16_bits() -> None:
    values = [0, 1, -1, 32767, -32768, 0x1234]
    wide24 = b"".join((v << 8 | 0xAB).to_bytes(3, "little", signed=True) for v in values)
    wide32 = b"".join((v << 16 | 0xABCD).to_bytes(4, "little", signed=True) for v in values)
    assert converted(wide24, 24) == values
    assert converted(wide32, 32) == values
    assert converted(bytes([0, 127, 128, 255]), 8) == [-32768, -256, 0, 32512]


@pytest.mark.parametrize(("bits", "code"), [(32, "f"), (64, "d")])
def test_floats_are_scaled_and_clipped_and_nan_is_silence(bits: int, code: str) -> None:
    values = [0.0, 0.5, -1.0, 1.0, 3e38, -3e38, math.inf, -math.inf, math.nan]
    data = struct.pack(f"<{len(values)}{code}", *values)
    assert converted(data, bits, "float") == [
        *(0, 16384, -32768, 32767),
        *(32767, -32768, 32767, -32768, 0),
    ]


def test_g711_decodes_to_the_levels_of_the_standard() -> None:
    # ITU-T G.711: the extremes, and the steps around zero, scaled to 16 bits.
    assert converted(bytes([0x00, 0x80, 0x7F, 0xFF, 0xF0]), 8, "mulaw") == [
        *(-32124, 32124, 0, 0, 120),
    ]
    assert converted(bytes([0x2A, 0xAA, 0x55, 0xD5, 0xC5]), 8, "alaw") == [
        *(-32256, 32256, -8, 8, 264),
    ]


@pytest.mark.parametrize(
    ("bits", "encoding"), [(12, "pcm"), (64, "pcm"), (16, "float"), (16, "alaw"), (8, "opus")]
)
def test_an_unknown_format_is_refused_by_name(bits: int, encoding: str) -> None:
    with pytest.raises(AudioError, match=f"{bits} bits {encoding} are not supported.*convert"):
        SourceFormat(bits=bits, encoding=encoding)


@pytest.mark.parametrize(
    ("rate", "channels"),
    [(0, 1), (16_000, 0), (-8000, 1), (8, 1), (999, 1), (384_001, 1), (0xFFFFFFFF, 2)],
)
def test_impossible_rates_and_channels_are_refused(rate: int, channels: int) -> None:
    with pytest.raises(AudioError, match="not possible"):
        SourceFormat(rate, channels)


@pytest.mark.parametrize("rate", [1_000, 384_000])
def test_the_lowest_and_the_highest_rate_are_accepted(rate: int) -> None:
    assert SourceFormat(rate).pcm == PcmFormat(rate)
