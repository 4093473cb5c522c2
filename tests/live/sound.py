"""The recording that the kit sends."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from speech_adapters.audio import PcmFormat, WavFile
from speech_adapters.errors import ConfigurationError

__all__ = ["Sound", "default_recording", "read_sound"]

# The recording of `speech-compat demo`: two speakers.
_RECORDING: Final = "assets/endgame_nagg_nell.wav"


@attrs.frozen
class Sound:
    """A short recording.

    Attributes:
        audio: its samples.
        pcm: their format.
    """

    audio: bytes = attrs.field(repr=False)
    pcm: PcmFormat

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.audio) / self.pcm.bytes_per_second

    def blocks(self, seconds: float) -> Iterator[bytes]:
        """Yield it in blocks of so many seconds."""
        size = int(seconds * self.pcm.sample_rate) * self.pcm.frame_bytes
        yield from (self.audio[n : n + size] for n in range(0, len(self.audio), size))


def default_recording() -> Path:
    """Return the recording that the engine's package contains.

    Raises:
        ConfigurationError: the package is not installed.
    """
    spec = importlib.util.find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "The recording of the demo is missing, because the extra local is not installed:"
            " name another one with --recording FILE."
        )
    return Path(spec.origin).parent / _RECORDING


def read_sound(path: Path, seconds: float) -> Sound:
    """Read the first seconds of a WAV file.

    Raises:
        AudioError: it cannot be read.
    """
    with WavFile(path) as file:
        return Sound(file.read(int(seconds * file.pcm.sample_rate)), file.pcm)
