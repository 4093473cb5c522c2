"""Mixing of channels, and the search for a quiet place to cut.

Without numpy, which is larger than all other packages of ``realtime`` together.  The average of
two channels takes 0.2 % of the length of the audio at 16 kHz, which is eight times as long as with
numpy, and still little.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from operator import add, mul
from pathlib import Path
from typing import Final

from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.errors import ConfigurationError

__all__ = ["check_downmix", "mix_down", "quietest_frame"]

# Quiet is measured over half a second, in steps of a tenth.
_STEPS_PER_SECOND: Final = 10
_STEPS_OF_QUIET: Final = 5


def check_downmix(policy: str) -> None:
    """Check the setting ``downmix``.

    Raises:
        ConfigurationError: ``policy`` is not one that :func:`mix_down` supports.
    """
    if policy not in ("auto", "average", "sum", "first") and _numbered_channel(policy) is None:
        raise ConfigurationError(
            f'The setting "downmix" is {policy!r}: set it to "auto", "average", "sum", "first"'
            ' or "channel:N", N counted from 0.'
        )


def mix_down(pcm: bytes, channels: int, policy: str) -> bytes:
    """Mix several channels to one.

    Args:
        pcm: whole frames of 16-bit PCM.
        channels: number of interleaved channels; a single one is returned unchanged.
        policy: ``average``; ``sum``, clipped; ``first``; ``channel:N``, counted from
            0; or ``auto``: the average of two channels, the first of more.  The
            microphones of an array receive a voice at different times, so their
            average is muffled.

    Raises:
        ConfigurationError: the policy is unknown, or the audio lacks the channel.
    """
    check_downmix(policy)
    chosen = _chosen_channel(policy, channels)
    # Checked before the mono case: a wrong setting is an error whatever the audio.
    if chosen is not None and chosen >= channels:
        raise ConfigurationError(
            f'The setting "downmix" is {policy!r}, but the audio has only {channels} channel(s),'
            " counted from 0. Choose another channel."
        )
    if channels == 1:
        return pcm  # the usual case must not copy
    samples = array("h", pcm)
    if chosen is not None:
        return samples[chosen::channels].tobytes()
    total: Iterable[int] = samples[::channels]
    for channel in range(1, channels):
        total = map(add, total, samples[channel::channels])
    if policy == "sum":
        return array("h", [min(max(sample, -32768), 32767) for sample in total]).tobytes()
    return array("h", [sample // channels for sample in total]).tobytes()


def quietest_frame(audio: Path, first: int, last: int, pcm: PcmFormat, policy: str) -> int:
    """Return the middle of the quietest half second, as a frame number.

    Args:
        audio: a spool file.
        first: the first frame of the search.
        last: the end of the search; returned if the range is shorter than half a second.
        pcm: the file's format.
        policy: the downmix; see :func:`mix_down`.

    Raises:
        ConfigurationError: as :func:`mix_down`.
    """
    step = max(pcm.sample_rate // _STEPS_PER_SECOND, 1)
    # Read in steps: the searched minutes never fill the memory.
    energies = []
    with audio.open("rb") as file:
        file.seek(first * pcm.frame_bytes)
        for _ in range((last - first) // step):
            block = mix_down(file.read(step * pcm.frame_bytes), pcm.channels, policy)
            samples = array("h", block)
            energies.append(sum(map(mul, samples, samples)))
    if len(energies) < _STEPS_OF_QUIET:
        return last
    # One quiet step may lie inside a word; a pause between sentences lasts longer.
    around = [
        sum(energies[start : start + _STEPS_OF_QUIET])
        for start in range(len(energies) - _STEPS_OF_QUIET + 1)
    ]
    return first + (around.index(min(around)) * 2 + _STEPS_OF_QUIET) * step // 2


def _chosen_channel(policy: str, channels: int) -> int | None:
    """Return the channel that a policy selects, or ``None`` if it mixes all."""
    if policy == "first" or (policy == "auto" and channels != 2):  # noqa: PLR2004
        return 0
    return _numbered_channel(policy)


def _numbered_channel(policy: str) -> int | None:
    match = re.fullmatch(r"channel:([0-9]{1,3})", policy)
    return int(match[1]) if match else None
