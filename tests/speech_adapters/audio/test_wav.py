from __future__ import annotations

import io
import struct
import sys
import wave
from pathlib import Path

import pytest

from speech_adapters.audio import PcmFormat, SourceFormat, WavFile
from speech_adapters.audio.wav import WavHeader, read_header, wav_header
from speech_adapters.errors import AudioError

TONE = struct.pack("<6h", 0, 1000, -1000, 32767, -32768, 7)
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def fmt(tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)


def extensible(tag: int, bits: int, valid: int, guid_tail: bytes = GUID_TAIL) -> bytes:
    return fmt(0xFFFE, bits=bits) + struct.pack("<HHIH", 22, valid, 4, tag) + guid_tail


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    announced = len(body) if size is None else size
    return name + struct.pack("<I", announced) + body + b"\0" * (len(body) % 2)


def wav(
    *chunks: bytes,
    form: bytes = b"",
    data: bytes = TONE,
    size: int | None = None,
    riff: int | None = None,
) -> bytes:
    """Build a WAV file: ``chunks`` precede the format, ``size`` replaces the data's real size."""
    body = b"WAVE" + b"".join(chunks) + chunk(b"fmt ", form or fmt()) + chunk(b"data", data, size)
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "speech.wav"


def read(path: Path) -> bytes:
    with WavFile(path) as file:
        return b"".join(iter(lambda: file.read(4), b""))


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        WavFile(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_plain_file_is_read_as_it_is(path: Path) -> None:
    path.write_bytes(wav(form=fmt(channels=2, rate=44_100)))
    with WavFile(path) as file:
        assert file.pcm == PcmFormat(44_100, 2)
        assert file.duration == file.pcm.ticks(len(TONE))
        assert (file.truncated, file.missing) == (False, 0)
        assert file.read(2) == TONE[:8]
        assert file.read(100) == TONE[8:]
        assert file.read(100) == b""


def test_other_chunks_are_skipped_odd_ones_with_their_padding(path: Path) -> None:
    path.write_bytes(wav(chunk(b"LIST", b"abc"), chunk(b"JUNK", b"data")) + chunk(b"id3 ", b"xyz!"))
    assert read(path) == TONE


@pytest.mark.parametrize(
    ("form", "data"),
    [
        (fmt(1, bits=8), bytes([128, 255])),
        (fmt(1, bits=24), bytes([9, 0, 0, 9, 0, 127])),
        (fmt(1, bits=32), bytes([9, 9, 0, 0, 9, 9, 0, 127])),
        (fmt(3, bits=32), struct.pack("<2f", 0, 32512 / 32768)),
        (fmt(3, bits=64), struct.pack("<2d", 0, 32512 / 32768)),
        (struct.pack("<HHIIHH", 1, 1, 16_000, 48_000, 3, 20), bytes([9, 0, 0, 9, 0, 127])),
        (extensible(1, 24, 20), bytes([9, 0, 0, 9, 0, 127])),
        (extensible(3, 32, 32), struct.pack("<2f", 0, 32512 / 32768)),
    ],
    ids=[
        "8",
        "24",
        "32",
        "float",
        "double",
        "20 bits in 24",
        "extensible 20 bits in 24",
        "extensible float",
    ],
)
def test_other_samples_become_16_bit_pcm(path: Path, form: bytes, data: bytes) -> None:
    path.write_bytes(wav(form=form, data=data))
    with WavFile(path) as file:
        assert file.duration == file.pcm.ticks(4)
        assert file.read(100) == struct.pack("<2h", 0, 32512)
        assert file.read(100) == b""


@pytest.mark.parametrize(("tag", "octets"), [(6, b"\xd5\xaa"), (7, b"\xff\x80")])
def test_g711_becomes_16_bit_pcm(path: Path, tag: int, octets: bytes) -> None:
    path.write_bytes(wav(form=fmt(tag, rate=8000, bits=8), data=octets))
    levels = {6: (8, 32256), 7: (0, 32124)}
    assert read(path) == struct.pack("<2h", *levels[tag])


def test_a_file_that_announces_more_than_it_holds_is_truncated(path: Path) -> None:
    path.write_bytes(wav(size=len(TONE) + 32_000) + b"\x01")
    with WavFile(path) as file:
        assert file.truncated
        assert file.duration == file.pcm.ticks(len(TONE) + 32_000)
        assert file.missing == 10_000_000
    assert read(path) == TONE  # the half sample at the end is no sample


def test_the_note_of_a_truncated_file_states_the_missing_seconds(path: Path) -> None:
    path.write_bytes(wav(size=len(TONE) + 32_000))
    with WavFile(path) as file:
        assert file.notes == ("The file is truncated: 1.000 s of its audio are missing.",)
    path.write_bytes(wav())
    with WavFile(path) as file:
        assert file.notes == ()


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_size_that_stands_for_unknown_is_no_truncation(path: Path, size: int) -> None:
    path.write_bytes(wav(size=size, riff=36 if size == 0 else size))
    with WavFile(path) as file:
        assert file.duration is None
        assert (file.truncated, file.missing) == (False, 0)
    assert read(path) == TONE


def test_a_header_never_filled_in_reads_to_the_end(path: Path) -> None:
    for riff in (0, 0xFFFFFFFF):
        path.write_bytes(wav(size=0, riff=riff))
        assert read(path) == TONE


def test_zero_seconds_are_zero_seconds(path: Path) -> None:
    path.write_bytes(wav(data=b""))
    with WavFile(path) as file:
        assert (file.duration, file.truncated, file.read(10)) == (0, False, b"")
    notes = chunk(b"LIST", b"software")
    path.write_bytes(wav(data=b"", riff=36 + len(notes)) + notes)
    assert read(path) == b""


def rf64(announced: int, data: bytes = TONE) -> bytes:
    sizes = chunk(b"ds64", struct.pack("<QQQI", announced + 72, announced, 0, 0))
    return b"RF64" + wav(sizes, data=data, size=0xFFFFFFFF, riff=0xFFFFFFFF)[4:]


def test_rf64_uses_the_64_bit_size(path: Path) -> None:
    path.write_bytes(rf64(len(TONE)) + chunk(b"LIST", b"more"))
    assert read(path) == TONE
    path.write_bytes(rf64(5 * 2**30))
    with WavFile(path) as file:
        assert file.truncated
        assert file.duration == file.pcm.ticks(5 * 2**30)


def test_a_file_of_another_kind_is_refused_by_its_kind(path: Path) -> None:
    assert "is empty" in refusal(path, b"")
    assert "is not a WAV file:" in refusal(path, b"Hello, this is text.")
    assert "is not a WAV file:" in refusal(path, b"RIFF\x10\0\0\0AVI LIST")
    assert "is not a WAV file but an Ogg file" in refusal(path, b"OggS" + bytes(40))
    assert "is not a WAV file but a FLAC file" in refusal(path, b"fLaC" + bytes(40))


@pytest.mark.parametrize("length", [4, 11, 12, 20, 30, 43])
def test_a_file_cut_inside_its_header_is_an_error(path: Path, length: int) -> None:
    assert "ends inside its header" in refusal(path, wav()[:length])


def test_unsupported_formats_are_named(path: Path) -> None:
    assert "format 0x0055 (MP3) is not supported: convert it" in refusal(path, wav(form=fmt(0x55)))
    assert "format 0x1234 is not supported" in refusal(path, wav(form=fmt(0x1234)))
    assert "12 bits pcm are not supported" in refusal(
        path, wav(form=struct.pack("<HHIIHH", 1, 1, 8000, 0, 0, 12))
    )
    foreign = extensible(1, 16, 16, guid_tail=bytes(14))
    assert "format 0xFFFE is not supported" in refusal(path, wav(form=foreign))


def test_damaged_headers_are_refused(path: Path) -> None:
    assert "does not state the format" in refusal(path, wav(form=b"\x01\x00"))
    no_format = b"RIFF\x10\0\0\0WAVE" + chunk(b"data", TONE)
    assert "does not state the format" in refusal(path, no_format)
    assert "0 channels" in refusal(path, wav(form=fmt(channels=0)))


def test_a_file_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav cannot be read: No such file"):
        WavFile(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="cannot be read: Is a directory"):
        WavFile(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that opens and cannot be read")
def test_what_opens_but_cannot_be_read_is_closed_and_named() -> None:
    # The address 0 of a process is never mapped.  An open file would be a ResourceWarning.
    with pytest.raises(AudioError, match=r"^/proc/self/mem cannot be read: Input/output error"):
        WavFile("/proc/self/mem")


def test_a_closed_file_is_an_error_and_closes_again(path: Path) -> None:
    path.write_bytes(wav())
    file = WavFile(path)
    file.close()
    file.close()
    with pytest.raises(AudioError, match="closed file"):
        file.read(1)


@pytest.mark.parametrize("size", [0, 2, 32_000])
def test_a_written_header_is_read_back(size: int) -> None:
    file = io.BytesIO(wav_header(size, 44_100) + bytes(size))
    header = read_header(file, "The file")
    assert header == WavHeader(SourceFormat(44_100), size, size_unknown=False, riff_end=44 + size)
    assert len(file.read()) == size
    file.seek(0)
    with wave.open(file) as known:
        assert known.getparams()[:4] == (1, 2, 44_100, size // 2)


def test_the_frames_read_are_counted(path: Path) -> None:
    path.write_bytes(wav(form=fmt(channels=2)))
    with WavFile(path) as file:
        file.read(2)
        assert file.frames_read == 2
        file.read(100)
        assert file.frames_read == 3


def test_the_shipped_recordings_are_read_whole(shipped_recordings: Path) -> None:
    with WavFile(shipped_recordings / "two_cities.wav") as file:
        total = sum(map(len, iter(lambda: file.read(48_000), b"")))
        assert file.pcm.sample_rate == 48_000
        assert file.pcm.ticks(total) == file.duration


def test_the_shared_recordings_have_their_known_faults(shared_recordings: Path) -> None:
    with WavFile(shared_recordings / "azure" / "enrollment_audio_katie.wav") as cut:
        assert cut.truncated
    with WavFile(shared_recordings / "ami" / "dev00.wav") as floats:
        samples = floats.read(floats.pcm.sample_rate)
        assert len(samples) == floats.pcm.bytes_per_second
        assert any(samples)


@pytest.mark.parametrize("rate", [0, 8, 999, 384_001, 0xFFFFFFFF])
def test_a_rate_that_no_recorder_writes_is_refused_by_name(path: Path, rate: int) -> None:
    form = struct.pack("<HHIIHH", 1, 1, rate, 0, 2, 16)
    assert f"{rate} samples per second is not possible" in refusal(path, wav(form=form))


class _CountingFile(io.BytesIO):
    """Counts the reads, each of which is one step through the chunks."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize("name", [bytes(4), b"junk"])
def test_a_file_of_empty_chunks_is_not_scanned_to_its_end(name: bytes) -> None:
    file = _CountingFile(b"RIFF" + bytes(4) + b"WAVE" + (name + bytes(4)) * 500_000)
    with pytest.raises(AudioError, match="no samples in its first 1000 chunks: it is damaged"):
        read_header(file, "It")
    assert file.reads <= 1_001


def test_chunks_of_metadata_may_precede_the_samples(path: Path) -> None:
    path.write_bytes(wav(*[chunk(b"junk", b"text") for _ in range(200)]))
    assert read(path) == TONE
