"""Sample formats: what programs bring, the 16-bit PCM that sessions take, and the way there."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import attrs

from speech_adapters.errors import AudioError
from speech_adapters.transcript import TICKS_PER_SECOND

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PcmFormat", "SourceFormat", "to_pcm16"]


@attrs.frozen
class PcmFormat:
    """16-bit signed little-endian PCM: samples per second and interleaved channels."""

    sample_rate: int = 16_000
    channels: int = 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return 2 * self.channels

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of sound."""
        return self.frame_bytes * self.sample_rate

    def ticks(self, size: int) -> int:
        """Length in ticks of ``size`` bytes, counting whole frames only."""
        return size // self.frame_bytes * TICKS_PER_SECOND // self.sample_rate


_BITS: Final = {"pcm": (8, 16, 24, 32), "float": (32, 64), "alaw": (8,), "mulaw": (8,)}


@attrs.frozen
class SourceFormat:
    """Audio as a program brings it: interleaved, little-endian.

    Attributes:
        sample_rate: samples per second of each channel.
        channels: how many channels are interleaved.
        bits: bits of one sample: 8, 16, 24 or 32 for ``pcm``, 32 or 64 for
            ``float``, 8 for ``alaw`` and ``mulaw``.
        encoding: ``pcm`` (8 bits unsigned, more signed), ``float`` (full scale is
            1.0), ``alaw`` or ``mulaw`` (G.711).

    Raises:
        AudioError: there is no such format.
    """

    sample_rate: int = 16_000
    channels: int = 1
    bits: int = 16
    encoding: str = "pcm"

    def __attrs_post_init__(self) -> None:
        if self.sample_rate < 1 or self.channels < 1:
            raise AudioError(
                f"Audio of {self.sample_rate} samples per second and {self.channels} channels"
                " is not possible: both are at least 1."
            )
        if self.bits not in _BITS.get(self.encoding, ()):
            known = "; ".join(f"{name} {_listed(bits)}" for name, bits in _BITS.items())
            raise AudioError(
                f"Samples of {self.bits} bits {self.encoding} are not supported (known are"
                f" {known}): convert the audio to 16-bit PCM."
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.bits // 8 * self.channels

    @property
    def pcm(self) -> PcmFormat:
        """The same sound as 16-bit PCM."""
        return PcmFormat(self.sample_rate, self.channels)

    @property
    def is_pcm16(self) -> bool:
        """Whether it is 16-bit PCM already."""
        return self.bits == 16 and self.encoding == "pcm"  # noqa: PLR2004


def to_pcm16(data: bytes, source: SourceFormat) -> bytes:
    """Turn whole samples into 16-bit PCM; 16-bit PCM is given back as it is.

    Longer samples lose their lowest bits.  Floats beyond full scale are clipped,
    those that are no number become silence.
    """
    if source.is_pcm16:
        return data
    import numpy as np

    if source.encoding == "float":
        return _from_float(np.frombuffer(data, dtype=f"<f{source.bits // 8}"))
    octets = np.frombuffer(data, dtype=np.uint8)
    if source.encoding == "pcm" and source.bits > 8:  # noqa: PLR2004
        return octets.reshape(-1, source.bits // 8)[:, -2:].tobytes()
    return _table(source.encoding)[octets].tobytes()


def _from_float(samples: NDArray[Any]) -> bytes:
    import numpy as np

    full = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0)
    whole: NDArray[np.int16] = np.rint(full * 32768.0).clip(max=32767).astype("<i2")
    return whole.tobytes()


@lru_cache(maxsize=3)
def _table(encoding: str) -> NDArray[np.int16]:
    """Give the 16-bit sample of each of the 256 octets."""
    import numpy as np

    decode = {"pcm": _unsigned, "alaw": _alaw, "mulaw": _mulaw}[encoding]
    return np.array([decode(octet) for octet in range(256)], dtype="<i2")


def _unsigned(octet: int) -> int:
    return (octet - 128) << 8


def _alaw(octet: int) -> int:
    """Decode A-law: even bits are inverted, then sign, 3 bits exponent, 4 bits mantissa."""
    octet ^= 0x55
    exponent, mantissa = (octet & 0x70) >> 4, (octet & 0x0F) << 4
    size = mantissa + 0x08 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)
    return size if octet & 0x80 else -size


def _mulaw(octet: int) -> int:
    """Decode mu-law: all bits are inverted, then sign, 3 bits exponent, 4 bits mantissa."""
    octet ^= 0xFF
    size = ((((octet & 0x0F) << 3) + 0x84) << ((octet & 0x70) >> 4)) - 0x84
    return -size if octet & 0x80 else size


def _listed(bits: tuple[int, ...]) -> str:
    return "/".join(str(number) for number in bits)
