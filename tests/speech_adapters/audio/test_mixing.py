from __future__ import annotations

import struct

import pytest

from speech_adapters.audio import check_downmix, mix_down
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
def test_an_array_gives_its_first_channel_unless_told_otherwise(
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


def test_nothing_becomes_nothing() -> None:
    assert mix_down(b"", 2, "average") == b""


@pytest.mark.parametrize("policy", ["", "mean", "channel", "channel:", "channel:-1", "channel:x"])
def test_an_unknown_policy_is_a_wrong_setting(policy: str) -> None:
    with pytest.raises(ConfigurationError, match=r'"downmix" is .*channel:N'):
        check_downmix(policy)
    with pytest.raises(ConfigurationError):
        mix_down(STEREO, 2, policy)


def test_a_channel_that_is_not_there_is_a_wrong_setting() -> None:
    check_downmix("channel:2")
    with pytest.raises(ConfigurationError, match="only 2 channel"):
        mix_down(STEREO, 2, "channel:2")
