from __future__ import annotations

import struct
from pathlib import Path

import pytest

from speech_adapters.audio import PcmFormat, check_downmix, mix_down, quietest_frame
from speech_adapters.errors import ConfigurationError

MONO = bytes(range(1, 25))
STEREO = struct.pack("<6h", 100, 200, -100, -201, 30_000, 20_000)
EIGHT = struct.pack("<16h", *range(8), *range(10, 18))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("auto", [150, -151, 25_000]),
        ("average", [150, -151, 25_000]),
        ("sum", [300, -301, 32_767]),
        ("first", [100, -100, 30_000]),
        ("channel:0", [100, -100, 30_000]),
        ("channel:1", [200, -201, 20_000]),
    ],
)
def test_two_channels_become_one(policy: str, expected: list[int]) -> None:
    assert mix_down(STEREO, 2, policy) == struct.pack("<3h", *expected)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("auto", [0, 10]), ("average", [3, 13]), ("channel:7", [7, 17])],
)
def test_an_array_is_mixed_to_its_first_channel_by_default(
    policy: str, expected: list[int]
) -> None:
    assert mix_down(EIGHT, 8, policy) == struct.pack("<2h", *expected)


def test_the_loudest_samples_neither_wrap_nor_lose_their_sign() -> None:
    loud = struct.pack("<4h", -32768, -32768, 32767, 32767)
    assert mix_down(loud, 2, "average") == struct.pack("<2h", -32768, 32767)
    assert mix_down(loud, 2, "sum") == struct.pack("<2h", -32768, 32767)


@pytest.mark.parametrize("policy", ["auto", "average", "sum", "first", "channel:0"])
def test_one_channel_stays_as_it_is(policy: str) -> None:
    assert mix_down(MONO, 1, policy) is MONO


def test_no_audio_becomes_no_audio() -> None:
    assert mix_down(b"", 2, "average") == b""


@pytest.mark.parametrize("policy", ["", "mean", "channel", "channel:", "channel:-1", "channel:x"])
def test_an_unknown_policy_is_a_wrong_setting(policy: str) -> None:
    with pytest.raises(ConfigurationError, match=r'"downmix" is .*channel:N'):
        check_downmix(policy)
    with pytest.raises(ConfigurationError):
        mix_down(STEREO, 2, policy)


def test_a_channel_that_the_audio_lacks_is_a_wrong_setting() -> None:
    check_downmix("channel:2")
    with pytest.raises(ConfigurationError, match="only 2 channel"):
        mix_down(STEREO, 2, "channel:2")


QUIET = PcmFormat(100)  # a frame is 10 ms, so a step of the search has 10 frames


def spool(path: Path, *stretches: tuple[int, int]) -> Path:
    """Write samples of alternating sign: a number of frames at a level, one after another."""
    levels = [level * (-1) ** i for frames, level in stretches for i in range(frames)]
    path.write_bytes(struct.pack(f"<{len(levels)}h", *levels))
    return path


def test_the_middle_of_the_quietest_half_second_is_found(tmp_path: Path) -> None:
    audio = spool(tmp_path / "a.pcm", (200, 9000), (50, 10), (150, 9000))
    assert quietest_frame(audio, 0, 400, QUIET, "auto") == 225
    assert quietest_frame(audio, 100, 400, QUIET, "auto") == 225


def test_a_short_silence_does_not_outweigh_a_longer_pause(tmp_path: Path) -> None:
    audio = spool(tmp_path / "a.pcm", (100, 9000), (10, 0), (90, 9000), (50, 100), (50, 9000))
    assert quietest_frame(audio, 0, 300, QUIET, "auto") == 225


def test_only_the_range_is_searched(tmp_path: Path) -> None:
    audio = spool(tmp_path / "a.pcm", (50, 0), (100, 9000), (50, 500), (100, 9000), (50, 0))
    assert quietest_frame(audio, 50, 300, QUIET, "auto") == 175


def test_a_range_below_half_a_second_ends_where_it_must(tmp_path: Path) -> None:
    audio = spool(tmp_path / "a.pcm", (49, 0), (100, 9000))
    assert quietest_frame(audio, 0, 49, QUIET, "auto") == 49
    assert quietest_frame(audio, 0, 50, QUIET, "auto") == 25


def test_quiet_is_measured_after_the_downmix(tmp_path: Path) -> None:
    audio = tmp_path / "a.pcm"
    left, right = (9000, 0), (0, 9000)
    audio.write_bytes(b"".join(struct.pack("<2h", *f) for f in [left] * 100 + [right] * 100))
    stereo = PcmFormat(100, 2)
    assert quietest_frame(audio, 0, 200, stereo, "channel:0") == 125
    assert quietest_frame(audio, 0, 200, stereo, "channel:1") == 25
