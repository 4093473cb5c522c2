"""Audio as sessions take it: 16-bit little-endian PCM, interleaved."""

from __future__ import annotations

import attrs

from speech_adapters.transcript import TICKS_PER_SECOND

__all__ = ["PcmFormat"]


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
