"""The throttle, with a clock of its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from speech_adapters.audio import PcmFormat
from speech_adapters.speech_sdk import throttle as module
from speech_adapters.speech_sdk.throttle import Throttle

SECOND = 64_000  # bytes of stereo


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def throttle(now: list[float]) -> Throttle:
    return Throttle(PcmFormat(16_000, 2), 5.0)


def test_audio_near_a_result_is_sent_at_once(throttle: Throttle) -> None:
    assert throttle.room(position=0, reached=0) == 5 * SECOND
    assert throttle.room(position=6 * SECOND, reached=2 * SECOND) == SECOND
    assert not throttle.active


def test_audio_far_from_a_result_is_sent_in_real_time(throttle: Throttle, now: list[float]) -> None:
    assert throttle.room(position=5 * SECOND, reached=0) == 0
    assert throttle.active
    now[0] += 1.5
    assert throttle.room(position=5 * SECOND, reached=0) == 1.5 * SECOND
    assert throttle.room(position=6 * SECOND, reached=0) == 0.5 * SECOND


def test_a_rate_makes_it_faster(now: list[float]) -> None:
    throttle = Throttle(PcmFormat(16_000, 2), 5.0, 4.0)
    assert throttle.room(position=5 * SECOND, reached=0) == 0
    now[0] += 1.5
    assert throttle.room(position=5 * SECOND, reached=0) == 6 * SECOND


def test_only_whole_frames_are_sent(throttle: Throttle, now: list[float]) -> None:
    assert throttle.room(position=5 * SECOND, reached=0) == 0
    now[0] += 0.1 / 3
    assert throttle.room(position=5 * SECOND, reached=0) % 4 == 0


@pytest.mark.parametrize("by_result", [True, False])
def test_a_result_or_another_recognizer_ends_it(
    throttle: Throttle, now: list[float], by_result: bool
) -> None:
    throttle.room(position=5 * SECOND, reached=0)
    now[0] += 10
    if by_result:
        assert throttle.room(position=5 * SECOND, reached=SECOND) == SECOND
    else:
        throttle.reset()
    assert not throttle.active
    assert throttle.room(position=6 * SECOND, reached=SECOND) == 0, "it starts anew"
