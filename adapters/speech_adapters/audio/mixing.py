"""Mixing of channels, and the search for a quiet place to cut."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["check_downmix", "mix_down", "quietest_frame"]

# Quiet is measured over half a second, in steps of a tenth.
_STEPS_PER_SECOND: Final = 10
_STEPS_OF_QUIET: Final = 5


def check_downmix(policy: str) -> None:
    """Check the setting ``downmix``.

    Raises:
        ConfigurationError: it is none of the policies of :func:`mix_down`.
    """
    if policy not in ("auto", "average", "sum", "first") and _channel(policy) is None:
        raise ConfigurationError(
            f'The setting "downmix" is {policy!r}: it must be "auto", "average", "sum", "first"'
            ' or "channel:N", N counted from 0.'
        )


def mix_down(pcm: bytes, channels: int, policy: str) -> bytes:
    """Make one channel of several.

    Args:
        pcm: whole frames of 16-bit PCM.
        channels: how many are interleaved in it; one is given back as it is.
        policy: ``average``; ``sum``, clipped; ``first``; ``channel:N``, counted from
            0; or ``auto``: the average of two, the first of more, since the
            microphones of an array hear the same at different times, and their
            average is dull.

    Raises:
        ConfigurationError: there is no such policy or no such channel.
    """
    check_downmix(policy)
    chosen = _choice(policy, channels)
    if chosen is not None and chosen >= channels:
        raise ConfigurationError(
            f'The setting "downmix" is {policy!r}, but the audio has only {channels} channel(s),'
            " counted from 0."
        )
    if channels == 1:
        return pcm
    import numpy as np

    frames = np.frombuffer(pcm, dtype="<i2").reshape(-1, channels)
    if chosen is not None:
        return frames[:, chosen].tobytes()
    total = frames.sum(axis=1, dtype=np.int32)
    mixed = total.clip(-32768, 32767) if policy == "sum" else total // channels
    mono: NDArray[np.int16] = mixed.astype("<i2")
    return mono.tobytes()


def quietest_frame(audio: Path, first: int, last: int, pcm: PcmFormat, policy: str) -> int:
    """Give the frame around which it is quietest.

    Args:
        audio: a spool file.
        first: the first frame that is looked at.
        last: the first that is not; given where there is too little to look at.
        pcm: the file's format.
        policy: how its channels become one; see :func:`mix_down`.
    """
    import numpy as np

    step = max(pcm.sample_rate // _STEPS_PER_SECOND, 1)
    energies = []
    with audio.open("rb") as file:
        file.seek(first * pcm.frame_bytes)
        for _ in range((last - first) // step):
            block = mix_down(file.read(step * pcm.frame_bytes), pcm.channels, policy)
            samples = np.frombuffer(block, dtype="<i2").astype(np.float64)
            energies.append(float(np.square(samples).sum()))
    if len(energies) < _STEPS_OF_QUIET:
        return last
    around = np.convolve(energies, np.ones(_STEPS_OF_QUIET), mode="valid")
    return first + (int(around.argmin()) * 2 + _STEPS_OF_QUIET) * step // 2


def _choice(policy: str, channels: int) -> int | None:
    """Give the channel that a policy picks, or ``None`` when it mixes."""
    if policy == "first" or (policy == "auto" and channels != 2):  # noqa: PLR2004
        return 0
    return _channel(policy)


def _channel(policy: str) -> int | None:
    match = re.fullmatch(r"channel:([0-9]{1,3})", policy)
    return int(match[1]) if match else None
