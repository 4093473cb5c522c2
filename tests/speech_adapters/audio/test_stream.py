from __future__ import annotations

import io
import struct
import subprocess
import sys
import wave

import pytest

from speech_adapters.audio import PcmFormat, SourceFormat, StreamDecoder
from speech_adapters.errors import AudioError

SOUND = bytes(range(1, 25))


def wav(rate: int = 44_100, channels: int = 2, width: int = 2, data: bytes = SOUND) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(data)
    return file.getvalue()


def decoded(decoder: StreamDecoder, data: bytes, step: int) -> bytes:
    pieces = [decoder.decode(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join(pieces) + decoder.finish()


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 1000])
def test_plain_audio_passes_in_whole_frames(step: int) -> None:
    decoder = StreamDecoder(SourceFormat(channels=2))
    pieces = [decoder.decode(SOUND[at : at + step]) for at in range(0, len(SOUND), step)]
    assert all(len(piece) % 4 == 0 for piece in pieces)
    assert b"".join(pieces) + decoder.finish() == SOUND
    assert decoder.pcm == PcmFormat(16_000, 2)


def test_plain_audio_is_not_copied() -> None:
    decoder = StreamDecoder(SourceFormat())
    decoder.decode(SOUND)
    block = bytes(3200)
    assert decoder.decode(block) is block


def test_an_incomplete_frame_at_the_very_end_is_dropped() -> None:
    assert decoded(StreamDecoder(SourceFormat()), SOUND + b"\x00", 3) == SOUND


@pytest.mark.parametrize("step", [1, 3, 11, 12, 13, 44, 45, 1000])
def test_a_wav_header_is_removed_and_its_format_applies(step: int) -> None:
    decoder = StreamDecoder(SourceFormat(8000, 1))
    assert decoder.pcm == PcmFormat(8000, 1)
    assert decoded(decoder, wav(), step) == SOUND
    assert decoder.pcm == PcmFormat(44_100, 2)


def test_the_format_is_set_before_the_first_sample_is_returned() -> None:
    decoder = StreamDecoder(SourceFormat(8000, 1))
    assert decoder.decode(wav()[:44]) == b""
    assert decoder.pcm == PcmFormat(44_100, 2)


def test_the_size_in_a_streamed_header_is_not_trusted() -> None:
    streamed = bytearray(wav())
    streamed[40:44] = struct.pack("<I", 4)
    assert decoded(StreamDecoder(SourceFormat()), bytes(streamed), 16) == SOUND


@pytest.mark.parametrize("step", [1, 2, 100])
@pytest.mark.parametrize("start", [b"RI", b"RIFX", b"RF", b"RIFF1234WAVX", b"RIFF1234", b"R"])
def test_audio_that_only_resembles_a_header_is_not_lost(start: bytes, step: int) -> None:
    whole = start + b"\x00" * (len(start) % 2)
    assert decoded(StreamDecoder(SourceFormat()), whole, step) == whole
    assert decoded(StreamDecoder(SourceFormat()), whole + SOUND, step) == whole + SOUND


def test_a_header_in_the_middle_is_audio_like_any_other() -> None:
    assert decoded(StreamDecoder(SourceFormat()), SOUND + wav(), 10) == SOUND + wav()


@pytest.mark.parametrize("step", [1, 4, 1000])
def test_other_samples_are_converted_with_or_without_header(step: int) -> None:
    wide = b"".join((v << 8).to_bytes(3, "little", signed=True) for v in (1, -2, 30_000, -30_000))
    expected = struct.pack("<4h", 1, -2, 30_000, -30_000)
    assert decoded(StreamDecoder(SourceFormat(bits=24)), wide, step) == expected
    stream = wav(width=3, channels=1, data=wide)
    assert decoded(StreamDecoder(SourceFormat()), stream, step) == expected


def test_a_stream_that_ends_inside_its_header_is_an_error() -> None:
    decoder = StreamDecoder(SourceFormat())
    assert decoder.decode(wav()[:30]) == b""
    with pytest.raises(AudioError, match="ends inside its WAV header"):
        decoder.finish()
    assert decoder.finish() == b""


def test_a_streamed_header_of_another_format_is_refused() -> None:
    mp3 = bytearray(wav())
    mp3[20:22] = b"\x55\x00"
    with pytest.raises(AudioError, match=r"stream .* 0x0055 \(MP3\) is not supported"):
        StreamDecoder(SourceFormat()).decode(bytes(mp3))


def test_a_header_without_end_does_not_fill_memory() -> None:
    decoder = StreamDecoder(SourceFormat())
    decoder.decode(b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\x7f")
    for _ in range(7):
        assert decoder.decode(bytes(1024 * 1024)) == b""
    with pytest.raises(AudioError, match="8 MiB"):
        decoder.decode(bytes(1024 * 1024))


def test_an_empty_stream_is_empty() -> None:
    decoder = StreamDecoder(SourceFormat())
    assert decoder.decode(b"") == b""
    assert decoder.finish() == b""


def test_plain_audio_needs_no_numpy() -> None:
    code = (
        "import sys; from speech_adapters.audio import *;"
        "d = StreamDecoder(SourceFormat()); d.decode(bytes(100)); mix_down(bytes(4), 1, 'auto');"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
