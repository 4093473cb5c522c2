from __future__ import annotations

import errno
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.error import InvalidDataError

from double.encoded import FORMATS, encode, frames, tone
from speech_adapters.audio import AudioFile, CompressedStream, PcmFormat, compressed, open_audio
from speech_adapters.audio.compressed import CompressedFile
from speech_adapters.errors import AudioError, MissingExtraError
from speech_adapters.transcript import TICKS_PER_SECOND

# Each codec pads the end, and some the start.
CODEC_SECONDS = 0.15


def read(file: AudioFile) -> bytes:
    return b"".join(iter(lambda: file.read(5_000), b""))


def write(folder: Path, data: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def pieces(data: bytes, size: int) -> Callable[[], bytes]:
    """Return a function that returns the pieces of ``data`` and then ``b""``."""
    parts: Iterator[bytes] = (data[start : start + size] for start in range(0, len(data), size))
    parts = chain(parts, repeat(b""))
    return lambda: next(parts)


def read_stream(stream: CompressedStream) -> bytes:
    return b"".join(iter(stream.read, b""))


def loudest_frequencies(pcm: bytes, audio: PcmFormat) -> list[float]:
    samples = np.frombuffer(pcm, "<i2").reshape(-1, audio.channels)
    spectrum = np.abs(np.fft.rfft(samples, axis=0))
    return [float(n) * audio.sample_rate / len(samples) for n in spectrum.argmax(axis=0)]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_has_its_sound_on_each_channel(tmp_path: Path, suffix: str, channels: int) -> None:
    if suffix == "amr" and channels > 1:
        pytest.skip("a codec for one channel")
    path = write(tmp_path, encode(tone(2, channels=channels), suffix, 16_000, channels), "a.bin")
    with open_audio(path) as file:
        assert isinstance(file, CompressedFile)
        assert file.pcm.channels == channels
        pcm = read(file)
        assert file.notes == ()
        assert not file.truncated
        assert file.frames_read == len(pcm) // file.pcm.frame_bytes
        assert file.duration is not None
        assert abs(file.duration / TICKS_PER_SECOND - 2) < CODEC_SECONDS
        assert abs(file.pcm.ticks(len(pcm)) / TICKS_PER_SECOND - 2) < CODEC_SECONDS
    expected = [440.0 * (number + 1) for number in range(channels)]
    assert loudest_frequencies(pcm, file.pcm) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_lossless_file_has_the_same_samples(tmp_path: Path, channels: int, rate: int) -> None:
    pcm = tone(0.7, rate, channels)
    with open_audio(write(tmp_path, encode(pcm, "flac", rate, channels), "a.flac")) as file:
        assert file.pcm == PcmFormat(rate, channels)
        assert read(file) == pcm


@pytest.mark.parametrize(
    ("container", "codec"),
    [("aiff", "pcm_s16be"), ("caf", "pcm_s16le"), ("matroska", "flac"), ("mov", "pcm_s16le")],
)
def test_samples_in_other_containers_are_the_same(
    tmp_path: Path, container: str, codec: str
) -> None:
    pcm = tone(0.5, 16_000, 2)
    data = encode(pcm, container, 16_000, 2, codec=codec)
    with open_audio(write(tmp_path, data, "a.wrong")) as file:
        assert read(file) == pcm


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav"])
def test_wav_files_with_other_codecs_are_decoded(tmp_path: Path, codec: str) -> None:
    with open_audio(write(tmp_path, encode(tone(2), "wav", codec=codec), "a.wav")) as file:
        pcm = read(file)
        assert loudest_frequencies(pcm, file.pcm) == pytest.approx([440], abs=2)
        assert not file.truncated


def test_decoding_needs_no_numpy(tmp_path: Path) -> None:
    path = write(tmp_path, encode(tone(1), "mp3"), "a.mp3")
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from speech_adapters.audio import open_audio\n"
        "with open_audio(sys.argv[1]) as file: print(len(file.read(10**6)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, check=True, text=True
    )
    assert int(done.stdout) == 32_000


def test_a_file_with_the_wrong_name_is_decoded(tmp_path: Path) -> None:
    path = write(tmp_path, encode(tone(1), "flac"), "a.wav")
    with open_audio(path) as file:
        assert read(file) == tone(1)


@pytest.mark.parametrize("suffix", ["m4a", "flac", "mp3", "ogg"])
def test_a_truncated_file_is_decoded_and_noted(tmp_path: Path, suffix: str) -> None:
    options = {"movflags": "faststart"} if suffix == "m4a" else None
    data = encode(tone(20), suffix, options=options)
    with open_audio(write(tmp_path, data[: len(data) // 2], "a.bin")) as file:
        assert not file.truncated
        pcm = read(file)
        assert 7 < file.pcm.ticks(len(pcm)) / TICKS_PER_SECOND < 13
        assert file.truncated
        assert file.notes[0].startswith("The file is truncated: ")


def test_a_damaged_file_is_decoded_around_the_damage(tmp_path: Path) -> None:
    data = bytearray(encode(tone(20), "flac"))
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(n * 31 % 251 for n in range(3000))
    with open_audio(write(tmp_path, bytes(data), "a.flac")) as file:
        pcm = read(file)
        assert file.pcm.ticks(len(pcm)) > 18 * TICKS_PER_SECOND
        assert file.truncated
        assert file.notes


@pytest.mark.parametrize("suffix", ["m4a", "aac", "mp3", "amr"])
def test_parts_that_cannot_be_decoded_are_counted(tmp_path: Path, suffix: str) -> None:
    data = bytearray(encode(tone(20), suffix))
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(n * 31 % 251 for n in range(400))
    with open_audio(write(tmp_path, bytes(data), "a.bin")) as file:
        read(file)
        assert file.truncated
        assert file.original is None
        (note,) = file.notes
        assert note.endswith("of its parts could not be decoded and are left out.")


def test_a_container_that_cannot_be_read_further_ends_the_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = open_audio(write(tmp_path, encode(tone(5), "mp3"), "a.mp3"))
    assert isinstance(file, CompressedFile)
    demux = file._track._container.demux

    def failing(stream: Any) -> Iterator[Any]:
        yield next(iter(demux(stream)))
        raise InvalidDataError(1, "Invalid data")

    with file:
        monkeypatch.setattr(file._track, "_container", SimpleNamespace(demux=failing, close=list))
        file._track._blocks = file._track._decode()
        read(file)
        assert file.truncated


@pytest.mark.parametrize("rate", [900, 500_000])
def test_a_sample_rate_that_no_recorder_writes_is_an_error(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path, encode(tone(1, rate), "flac", rate), "a.flac")
    with pytest.raises(AudioError, match=f"Audio of {rate} samples per second is not possible"):
        open_audio(path)


def test_of_several_tracks_the_first_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("flac", rate=16_000, layout="mono") for _ in range(2)]
        for number, stream in enumerate(streams):
            for frame in frames(tone(1) if number == 0 else bytes(32_000), 16_000, 1):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    with open_audio(path) as file:
        assert read(file) == tone(1)
        assert file.notes == ("The file has 2 audio tracks: the first one is used.",)
        assert not file.truncated
        assert file.original is None


def test_an_mp4_file_without_its_index_is_an_error(tmp_path: Path) -> None:
    data = encode(tone(2), "m4a")
    path = write(tmp_path, data[: len(data) // 2], "a.m4a")
    with pytest.raises(AudioError, match=r"a\.m4a is no MP4 or M4A audio that can be used"):
        open_audio(path)


@pytest.mark.parametrize("name", ["a.mp3", "a.aac", "a.g722"])
def test_data_that_is_no_audio_is_an_error_whatever_its_name(tmp_path: Path, name: str) -> None:
    if name == "a.g722":
        return  # any bytes are G.722
    with pytest.raises(AudioError, match=f"{name} is no .* audio that can be used"):
        open_audio(write(tmp_path, b"hello, hello " * 1000, name))


@pytest.mark.parametrize("content", [b"hello", b"#EXTM3U\nfile:///etc/passwd\n", b"\0" * 5000])
def test_an_unknown_kind_is_an_error_with_the_known_ones(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AudioError, match=r"a\.m4a is no audio of a known kind \(known are AAC, "):
        open_audio(write(tmp_path, content, "a.m4a"))


def test_a_file_that_is_missing_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"a\.mp3 cannot be read: No such file"):
        open_audio(tmp_path / "a.mp3")
    with pytest.raises(AudioError, match=r"a\.mp3 is empty"):
        open_audio(write(tmp_path, b"", "a.mp3"))


def test_a_video_without_sound_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(AudioError, match=r"a\.mkv has no audio track"):
        open_audio(path)


def test_a_closed_file_is_an_error(tmp_path: Path) -> None:
    file = open_audio(write(tmp_path, encode(tone(1), "mp3"), "a.mp3"))
    file.close()
    file.close()
    with pytest.raises(AudioError, match="it is closed"):
        file.read(10)


def test_a_file_may_be_closed_while_another_thread_reads(tmp_path: Path) -> None:
    path = write(tmp_path, encode(tone(60), "mp3"), "a.mp3")
    for _ in range(10):
        file = open_audio(path)
        with ThreadPoolExecutor(1) as threads:
            reading = threads.submit(read, file)
            file.close()
            error = reading.exception()
        assert error is None or str(error) == f"{path} cannot be read: it is closed."


def test_an_error_of_the_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(tone(60), "mp3")

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(data) // 2:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    path = write(tmp_path, data, "a.mp3")
    monkeypatch.setattr(compressed, "_open", lambda path: Failing(data))
    with (
        open_audio(path) as file,
        pytest.raises(AudioError, match=r"a\.mp3 cannot be read: Input/output error\."),
    ):
        read(file)


def test_without_the_package_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, encode(tone(1), "mp3"), "a.mp3")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r'pip install "speech-compat\[audio\]"'):
        open_audio(path)


@pytest.mark.parametrize("suffix", [s for s in FORMATS if s != "m4a"])
@pytest.mark.parametrize("size", [1, 7, 333, 100_000])
def test_a_stream_has_the_audio_of_the_file(tmp_path: Path, suffix: str, size: int) -> None:
    data = encode(tone(3), suffix)
    with open_audio(write(tmp_path, data, "a.bin")) as file:
        expected = read(file)
        stream = CompressedStream(pieces(data, size), None)
        pcm = read_stream(stream)
        assert stream.pcm == file.pcm
    assert stream.notes == ()
    # Without the length in the header, the padding of MP3 stays.
    assert pcm[: len(expected)] == expected
    assert file.pcm.ticks(len(pcm) - len(expected)) < TICKS_PER_SECOND * CODEC_SECONDS
    assert stream.read() == b""


def test_an_mp4_stream_needs_its_index_first() -> None:
    stream = CompressedStream(pieces(encode(tone(1), "m4a"), 500), None)
    with pytest.raises(AudioError, match=r"index \(moov\) is at its end.*-movflags \+faststart"):
        stream.read()
    moved = encode(tone(1), "m4a", options={"movflags": "faststart"})
    stream = CompressedStream(pieces(moved, 500), None)
    assert loudest_frequencies(read_stream(stream), stream.pcm) == pytest.approx([440], abs=2)


def test_a_fragmented_mp4_stream_is_decoded() -> None:
    data = encode(tone(3), "m4a", options={"movflags": "frag_keyframe+empty_moov"})
    stream = CompressedStream(pieces(data, 500), None)
    assert loudest_frequencies(read_stream(stream), stream.pcm) == pytest.approx([440], abs=2)


def test_a_stream_that_begins_in_the_middle_is_decoded_as_declared() -> None:
    data = encode(tone(10), "mp3")
    assert loudest_frequencies(
        read_stream(stream := CompressedStream(pieces(data[10_001:], 700), "mp3")), stream.pcm
    ) == pytest.approx([440], abs=2)
    with pytest.raises(AudioError, match="The audio stream is no audio of a known kind"):
        CompressedStream(pieces(data[10_001:], 700), None).read()


def test_an_empty_stream_has_no_audio() -> None:
    assert CompressedStream(lambda: b"", "mp3").read() == b""


def test_a_stream_that_is_no_audio_is_an_error() -> None:
    with pytest.raises(AudioError, match="The audio stream is no MP3 audio that can be used"):
        CompressedStream(pieces(b"hello, hello " * 1000, 99), "mp3").read()


def test_an_error_of_the_reader_is_raised_as_it_is() -> None:
    data = encode(tone(10), "mp3")
    parts = pieces(data[: len(data) // 2], 1000)

    def receive() -> bytes:
        part = parts()
        if not part:
            raise AudioError("The callback failed.")
        return part

    stream = CompressedStream(receive, None)
    with pytest.raises(AudioError, match=r"^The callback failed\.$"):
        read_stream(stream)


@pytest.mark.parametrize("suffix", [s for s in FORMATS if s != "m4a"])
def test_live_audio_is_returned_before_the_stream_has_ended(suffix: str) -> None:
    data = encode(tone(60), suffix)
    sent = 0

    def receive() -> bytes:
        nonlocal sent
        sent += 200
        return data[sent - 200 : sent]

    def seconds() -> float:
        return 60 * sent / len(data)

    stream = CompressedStream(receive, None)
    assert stream.read()
    # FLAC has long frames; none is searched for longer than it takes to recognize it.
    assert seconds() < (2.5 if suffix == "flac" else 1.5)
    before = seconds()
    ticks = sum(stream.pcm.ticks(len(stream.read())) for _ in range(20))
    assert seconds() - before < ticks / TICKS_PER_SECOND + 1.5


_HOUR = """
import itertools, resource, sys
from pathlib import Path
from speech_adapters.audio import CompressedStream

minute = Path(sys.argv[1]).read_bytes()
parts = itertools.chain(itertools.repeat(minute, 60), itertools.repeat(b""))
stream = CompressedStream(lambda: next(parts), "mp3")
ticks = sum(stream.pcm.ticks(len(stream.read())) for _ in range(1000))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ticks += sum(stream.pcm.ticks(len(block)) for block in iter(stream.read, b""))
print(ticks, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is measured in kilobytes")
def test_a_stream_of_an_hour_needs_constant_memory(tmp_path: Path) -> None:
    path = write(tmp_path, encode(tone(60), "mp3"), "minute.mp3")
    done = subprocess.run(
        [sys.executable, "-c", _HOUR, path], capture_output=True, check=True, text=True
    )
    ticks, kilobytes = map(int, done.stdout.split())
    assert ticks > 3500 * TICKS_PER_SECOND
    assert kilobytes < 4 * 1024
