"""Small encoded audio files, made by the encoders of PyAV from samples."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import av
import numpy as np

__all__ = ["FORMATS", "decode", "encode", "frames", "tone"]

# Suffix: FFmpeg's container, its codec, and the sample rate if the codec has no other.
FORMATS: Final[dict[str, tuple[str, str, int | None]]] = {
    "aac": ("adts", "aac", None),
    "amr": ("amr", "libopencore_amrnb", 8_000),
    "flac": ("flac", "flac", None),
    "m4a": ("ipod", "aac", None),
    "mp3": ("mp3", "libmp3lame", None),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "wma": ("asf", "wmav2", None),
}
_LAYOUTS: Final = {1: "mono", 2: "stereo", 6: "5.1"}
_FRAMES: Final = 1024


def tone(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    """Return 16-bit PCM; channel N has the frequency 440 Hz * (N + 1)."""
    time = np.arange(int(seconds * rate))[:, None] / rate
    sound = np.sin(2 * np.pi * 440 * (np.arange(channels) + 1)[None, :] * time)
    return (sound * 8000).astype("<i2").tobytes()


def encode(
    pcm: bytes,
    suffix: str,
    rate: int = 16_000,
    channels: int = 1,
    *,
    codec: str = "",
    options: dict[str, str] | None = None,
) -> bytes:
    """Return the file of a suffix in :data:`FORMATS`, or of another container with ``codec``."""
    container, usual, only_rate = FORMATS.get(suffix, (suffix, codec, None))
    # A real file: to move the index of MP4 to its start, FFmpeg opens it again.
    with TemporaryDirectory() as folder:
        path = Path(folder, "encoded")
        _write(path, pcm, rate, channels, container, codec or usual, only_rate or rate, options)
        return path.read_bytes()


def decode(data: bytes) -> bytes:
    """Return a file as a WAV file, decoded without the code under test."""
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.audio[0]
        resampler = av.AudioResampler("s16")
        parts = [made for frame in file.decode(stream) for made in resampler.resample(frame)]
        target = io.BytesIO()
        with wave.open(target, "wb") as made:
            made.setparams((stream.codec_context.channels, 2, parts[0].sample_rate, 0, "NONE", ""))
            made.writeframes(b"".join(frame.to_ndarray().tobytes() for frame in parts))
    return target.getvalue()


def _write(
    path: Path,
    pcm: bytes,
    rate: int,
    channels: int,
    container: str,
    codec: str,
    codec_rate: int,
    options: dict[str, str] | None,
) -> None:
    with av.open(str(path), "w", format=container, options=options or {}) as output:
        stream: Any = output.add_stream(codec, rate=codec_rate)
        stream.layout = _LAYOUTS[channels]
        if codec == "wmav2":
            stream.bit_rate = 64_000  # it has none of its own for low sample rates
        for frame in frames(pcm, rate, channels):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def frames(pcm: bytes, rate: int, channels: int) -> Iterator[av.AudioFrame]:
    """Yield samples in frames for an encoder."""
    samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
    for start in range(0, samples.size, _FRAMES * channels):
        part = np.ascontiguousarray(samples[:, start : start + _FRAMES * channels])
        frame = av.AudioFrame.from_ndarray(part, "s16", _LAYOUTS[channels])
        frame.sample_rate = rate
        frame.pts = start // channels
        yield frame
