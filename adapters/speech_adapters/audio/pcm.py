"""Sample formats of programs, the 16-bit PCM of sessions, and the conversion between them.

An ``array`` has the byte order of the machine.  The Speech SDK and the engine exist for
little-endian machines only, so that is the order of the samples too.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import Final

import attrs

from speech_adapters.errors import AudioError
from speech_adapters.transcript import TICKS_PER_SECOND

__all__ = ["PcmFormat", "SourceFormat", "to_pcm16"]


@attrs.frozen
class PcmFormat:
    """16-bit signed little-endian PCM.

    Attributes:
        sample_rate: samples per second of each channel.
        channels: number of interleaved channels.
    """

    sample_rate: int = 16_000
    channels: int = 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return 2 * self.channels

    @property
    def bytes_per_second(self) -> int:
        """Bytes of one second of audio."""
        return self.frame_bytes * self.sample_rate

    def mono_bytes(self, size: int) -> int:
        """Return the size of a downmix of ``size`` bytes; an incomplete frame does not count."""
        return size // self.frame_bytes * self.frame_bytes // self.channels

    def ticks(self, size: int) -> int:
        """Return the length in ticks of ``size`` bytes; an incomplete frame does not count."""
        # Multiplied before divided: hours of audio stay exact to the tick.
        return size // self.frame_bytes * TICKS_PER_SECOND // self.sample_rate

    def size(self, ticks: int) -> int:
        """Return the bytes of the shortest audio that is ``ticks`` long; reverses :meth:`ticks`."""
        # Rounded up, since ticks() rounds down.
        return -(-ticks * self.sample_rate // TICKS_PER_SECOND) * self.frame_bytes


_LOWEST_RATE: Final = 1_000
_HIGHEST_RATE: Final = 384_000
_BITS: Final = {"pcm": (8, 16, 24, 32), "float": (32, 64), "alaw": (8,), "mulaw": (8,)}


@attrs.frozen
class SourceFormat:
    """The format of a program's audio: interleaved, little-endian.

    Attributes:
        sample_rate: samples per second of each channel, 1,000 to 384,000.
        channels: number of interleaved channels.
        bits: bits of one sample: 8, 16, 24 or 32 for ``pcm``, 32 or 64 for
            ``float``, 8 for ``alaw`` and ``mulaw``.
        encoding: ``pcm`` (8 bits are unsigned, more are signed), ``float`` (full
            scale is 1.0), ``alaw`` or ``mulaw`` (ITU-T G.711).

    Raises:
        AudioError: the format is impossible or not supported.
    """

    sample_rate: int = 16_000
    channels: int = 1
    bits: int = 16
    encoding: str = "pcm"

    def __attrs_post_init__(self) -> None:
        # No recorder writes other rates: the header is damaged, or the declaration wrong.  Far
        # below, a block of a tenth of a second would have no sample.
        if not _LOWEST_RATE <= self.sample_rate <= _HIGHEST_RATE:
            raise AudioError(
                f"Audio of {self.sample_rate} samples per second is not possible: supported are"
                f" {_LOWEST_RATE} to {_HIGHEST_RATE}. Correct the declared format."
            )
        if self.channels < 1:
            raise AudioError(
                f"Audio of {self.channels} channels is not possible: there must be at least 1."
                " Correct the declared format."
            )
        if self.bits not in _BITS.get(self.encoding, ()):
            known = "; ".join(f"{name} {_listed(bits)}" for name, bits in _BITS.items())
            raise AudioError(
                f"Samples of {self.bits} bits {self.encoding} are not supported (supported are"
                f" {known}): convert the audio to 16-bit PCM."
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.bits // 8 * self.channels

    @property
    def pcm(self) -> PcmFormat:
        """The format after conversion to 16-bit PCM."""
        return PcmFormat(self.sample_rate, self.channels)

    @property
    def is_pcm16(self) -> bool:
        """Whether the samples are 16-bit PCM already."""
        return self.bits == 16 and self.encoding == "pcm"  # noqa: PLR2004


def to_pcm16(data: bytes, source: SourceFormat) -> bytes:
    """Convert whole samples to 16-bit PCM; 16-bit PCM is returned unchanged.

    Longer samples lose their lowest bits.  Floats beyond full scale are clipped,
    and NaN becomes silence.

    Args:
        data: whole samples of ``source``.
        source: their format.
    """
    if source.is_pcm16:
        return data  # the usual case must not copy
    if source.encoding == "float":
        return _from_float(array("f" if source.bits == 32 else "d", data))  # noqa: PLR2004
    if source.encoding == "pcm" and source.bits > 8:  # noqa: PLR2004
        # Little-endian: the two highest octets of a sample are its last.
        octets = source.bits // 8
        return _interleave(data[octets - 2 :: octets], data[octets - 1 :: octets])
    low, high = _tables(source.encoding)
    return _interleave(data.translate(low), data.translate(high))


def _interleave(low: bytes, high: bytes) -> bytes:
    """Return samples of two octets each."""
    samples = bytearray(2 * len(low))
    samples[0::2], samples[1::2] = low, high
    return bytes(samples)


def _from_float(samples: array[float]) -> bytes:
    try:
        return array("h", map(round, [sample * 32768.0 for sample in samples])).tobytes()
    except (OverflowError, ValueError):
        # One is at full scale, beyond it, or NaN.  Few blocks have such a sample, and to test each
        # sample takes twice as long.
        return array("h", map(_clip, samples)).tobytes()


def _clip(sample: float) -> int:
    # 16 bits have no +32768, so 1.0 becomes 32767; -1.0 is exact.
    return 0 if math.isnan(sample) else round(min(max(sample * 32768.0, -32768.0), 32767.0))


@lru_cache(maxsize=3)
def _tables(encoding: str) -> tuple[bytes, bytes]:
    """Return the low and the high octet of the 16-bit sample of each of the 256 octets."""
    decode = {"pcm": _unsigned, "alaw": _alaw, "mulaw": _mulaw}[encoding]
    samples = array("h", map(decode, range(256))).tobytes()
    return samples[0::2], samples[1::2]


def _unsigned(octet: int) -> int:
    return (octet - 128) << 8


def _alaw(octet: int) -> int:
    """Decode A-law (ITU-T G.711): even bits inverted; sign, exponent of 3, mantissa of 4 bits."""
    octet ^= 0x55
    exponent, mantissa = (octet & 0x70) >> 4, (octet & 0x0F) << 4
    # Half a step is added, so that a sample lies in the middle of its interval.
    size = mantissa + 0x08 if exponent == 0 else (mantissa + 0x108) << (exponent - 1)
    return size if octet & 0x80 else -size


def _mulaw(octet: int) -> int:
    """Decode mu-law (ITU-T G.711): all bits inverted; sign, exponent of 3, mantissa of 4 bits."""
    octet ^= 0xFF
    # The encoder added a bias of 0x84 before it took the logarithm.
    size = ((((octet & 0x0F) << 3) + 0x84) << ((octet & 0x70) >> 4)) - 0x84
    return -size if octet & 0x80 else size


def _listed(bits: tuple[int, ...]) -> str:
    return "/".join(str(number) for number in bits)
