from __future__ import annotations

import struct
import sys
import wave
from pathlib import Path

import pytest

from double.encoded import encode, tone
from speech_adapters.audio import PcmFormat
from speech_adapters.errors import AudioError, MissingExtraError
from speech_compat._session.sources import AudioSource, check_file, open_source
from speech_compat.audio import (
    AudioConfig,
    AudioInputStream,
    AudioStreamFormat,
    PullAudioInputStream,
    PullAudioInputStreamCallback,
    PushAudioInputStream,
)
from speech_compat.enums import AudioStreamContainerFormat, AudioStreamWaveFormat

RATES = [8_000, 16_000, 44_100, 48_000]


def read(source: AudioSource) -> bytes:
    blocks = []
    while block := source.read():
        blocks.append(block)
    source.close()
    source.close()
    return b"".join(blocks)


def sound(frames: int, channels: int) -> bytes:
    samples = [(n * 37) % 2000 - 1000 for n in range(frames * channels)]
    return struct.pack(f"<{len(samples)}h", *samples)


def write_wav(path: Path, pcm: bytes, rate: int, channels: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return path


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_file_has_its_audio_and_format(tmp_path: Path, rate: int, channels: int) -> None:
    pcm = sound(rate // 4, channels)
    path = write_wav(tmp_path / "a.wav", pcm, rate, channels)
    source = open_source(AudioConfig(filename=str(path)))
    assert source.pcm == PcmFormat(rate, channels)
    assert source.notes == ()
    assert not source.growing
    assert read(source) == pcm


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_a_push_stream_with_or_without_a_header(
    tmp_path: Path, rate: int, channels: int, header: bool
) -> None:
    pcm = sound(rate // 4, channels)
    data = write_wav(tmp_path / "a.wav", pcm, rate, channels).read_bytes() if header else pcm
    declared = AudioStreamFormat() if header else AudioStreamFormat(rate, 16, channels)
    stream = PushAudioInputStream(declared)
    for start in range(0, len(data), 999):
        stream.write(data[start : start + 999])
    stream.close()
    source = open_source(AudioConfig(stream=stream))
    assert read(source) == pcm
    assert source.pcm == PcmFormat(rate, channels)


class _Pulled(PullAudioInputStreamCallback):
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.closed = 0

    def read(self, buffer: memoryview) -> int:
        piece, self.data = self.data[: len(buffer)], self.data[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self.closed += 1


def test_a_pull_stream_is_read_to_its_end_and_closed_once() -> None:
    pcm = sound(10_001, 1)
    callback = _Pulled(pcm)
    assert read(open_source(AudioConfig(stream=PullAudioInputStream(callback)))) == pcm
    assert callback.closed == 1


def test_a_failing_pull_callback_is_an_error_that_names_it() -> None:
    class Failing(PullAudioInputStreamCallback):
        def read(self, buffer: memoryview) -> int:
            raise OSError("gone")

    source = open_source(AudioConfig(stream=PullAudioInputStream(Failing())))
    with pytest.raises(AudioError, match=r"callback failed with OSError: gone"):
        source.read()
    source.close()


@pytest.mark.parametrize(
    ("encoding", "silence"),
    [(AudioStreamWaveFormat.MULAW, b"\xff"), (AudioStreamWaveFormat.ALAW, b"\xd5")],
)
def test_telephone_encodings_are_decoded(encoding: AudioStreamWaveFormat, silence: bytes) -> None:
    stream = PushAudioInputStream(AudioStreamFormat(8000, 8, 1, wave_stream_format=encoding))
    stream.write(silence * 100)
    stream.close()
    pcm = read(open_source(AudioConfig(stream=stream)))
    assert len(pcm) == 200
    assert max(map(abs, struct.unpack("<100h", pcm))) <= 8


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (AudioConfig(filename="/no/such.wav"), r"/no/such.wav cannot be read: No such file"),
        (AudioConfig(stream=AudioInputStream(None)), "use a push or pull stream"),
        (
            AudioConfig(stream=PushAudioInputStream(AudioStreamFormat(16_000, 12))),
            "12 bits pcm are not supported",
        ),
    ],
)
def test_what_cannot_be_used_is_named(config: AudioConfig | None, complaint: str) -> None:
    with pytest.raises(AudioError, match=complaint):
        open_source(config)


def test_a_truncated_file_is_used_with_a_note(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", sound(16_000, 1), 16_000, 1)
    path.write_bytes(path.read_bytes()[: 44 + 16_000])
    source = open_source(AudioConfig(filename=str(path)))
    assert source.notes == ("The file is truncated: 0.500 s of its audio are missing.",)
    assert len(read(source)) == 16_000


def test_a_file_is_checked_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("hello, hello")
    with pytest.raises(AudioError, match="is not a WAV file"):
        check_file(AudioConfig(filename=str(tmp_path / "text.wav")))
    check_file(AudioConfig(stream=PushAudioInputStream(None)))
    check_file(None)


def compressed_stream(container: AudioStreamContainerFormat, data: bytes) -> PushAudioInputStream:
    stream = PushAudioInputStream(AudioStreamFormat(compressed_stream_format=container))
    for start in range(0, len(data), 333):
        stream.write(data[start : start + 333])
    stream.close()
    return stream


@pytest.mark.parametrize(
    ("container", "suffix"),
    [
        (AudioStreamContainerFormat.OGG_OPUS, "ogg"),
        (AudioStreamContainerFormat.MP3, "mp3"),
        (AudioStreamContainerFormat.FLAC, "flac"),
        (AudioStreamContainerFormat.AMRNB, "amr"),
        (AudioStreamContainerFormat.ANY, "webm"),
        (AudioStreamContainerFormat.ANY, "flac"),
        (AudioStreamContainerFormat.MP3, "flac"),  # declared wrongly
    ],
)
def test_a_compressed_push_stream_is_decoded(
    container: AudioStreamContainerFormat, suffix: str
) -> None:
    source = open_source(AudioConfig(stream=compressed_stream(container, encode(tone(2), suffix))))
    assert source.growing
    assert source.pcm == PcmFormat()  # as long as nothing was read
    pcm = read(source)
    assert abs(source.pcm.ticks(len(pcm)) - 20_000_000) < 1_500_000
    assert source.notes == ()
    assert source.complete
    if suffix == "flac":
        assert pcm == tone(2)


def test_a_compressed_pull_stream_is_decoded_and_closed() -> None:
    callback = _Pulled(encode(tone(2), "flac"))
    declared = AudioStreamFormat(compressed_stream_format=AudioStreamContainerFormat.FLAC)
    source = open_source(AudioConfig(stream=PullAudioInputStream(callback, declared)))
    assert read(source) == tone(2)
    assert callback.closed == 1


def test_a_stopped_compressed_stream_ends_with_what_was_written() -> None:
    data = encode(tone(20), "mp3")
    declared = AudioStreamFormat(compressed_stream_format=AudioStreamContainerFormat.MP3)
    stream = PushAudioInputStream(declared)
    stream.write(data[: len(data) // 2])
    source = open_source(AudioConfig(stream=stream))
    assert source.read()
    source.stop()
    while source.read():
        pass
    source.close()


@pytest.mark.parametrize(
    ("container", "silence"),
    [(AudioStreamContainerFormat.MULAW, b"\xff"), (AudioStreamContainerFormat.ALAW, b"\xd5")],
)
def test_companded_audio_has_8000_hertz_or_the_rate_of_its_header(
    container: AudioStreamContainerFormat, silence: bytes
) -> None:
    source = open_source(AudioConfig(stream=compressed_stream(container, silence * 100)))
    assert len(read(source)) == 200
    assert source.pcm == PcmFormat(8_000)
    codec = f"pcm_{container.name.lower()}"
    data = encode(tone(1), "wav", codec=codec)
    source = open_source(AudioConfig(stream=compressed_stream(container, data)))
    assert len(read(source)) == 32_000
    assert source.pcm == PcmFormat(16_000)


def test_g722_is_decoded() -> None:
    declared = AudioStreamFormat(wave_stream_format=AudioStreamWaveFormat.G722)
    stream = PushAudioInputStream(declared)
    stream.write(encode(tone(2), "g722", codec="g722"))
    stream.close()
    source = open_source(AudioConfig(stream=stream))
    assert source.pcm.ticks(len(read(source))) == 20_000_000


def test_the_notes_of_a_compressed_file_are_complete_at_its_end(tmp_path: Path) -> None:
    data = encode(tone(10), "flac")
    (tmp_path / "a.flac").write_bytes(data[: len(data) // 2])
    source = open_source(AudioConfig(filename=str(tmp_path / "a.flac")))
    before = source.notes
    assert read(source)
    note, *_ = source.notes
    assert note.startswith("The file is truncated: ")
    assert before == ()


def test_a_compressed_file_is_checked_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp3").write_bytes(b"hello, hello")
    with pytest.raises(AudioError, match="is no MP3 audio"):
        check_file(AudioConfig(filename=str(tmp_path / "a.mp3")))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"speech-compat\[audio\]"):
        check_file(AudioConfig(filename=str(tmp_path / "a.mp3")))
