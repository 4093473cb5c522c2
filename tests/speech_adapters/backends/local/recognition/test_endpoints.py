from __future__ import annotations

from itertools import pairwise

import pytest

from speech_adapters.backends.local.recognition.endpoints import Endpointer, Segment

# Ten frames per second make the times easy to read.
FRAME = 0.1


def segments(endpointer: Endpointer, probabilities: list[float]) -> list[Segment]:
    return [found for p in probabilities if (found := endpointer.add(p)) is not None]


def speech(seconds: float) -> list[float]:
    return [0.9] * round(seconds / FRAME)


def pause(seconds: float) -> list[float]:
    return [0.0] * round(seconds / FRAME)


def test_a_segment_ends_after_a_pause_and_has_audio_around_its_speech() -> None:
    endpointer = Endpointer(FRAME)
    assert segments(endpointer, pause(1.0) + speech(2.0) + pause(0.4)) == []
    (found,) = segments(endpointer, pause(0.2))
    assert (found.start, found.end, found.speech_end) == pytest.approx((0.7, 3.2, 3.0))


def test_a_short_pause_ends_no_segment() -> None:
    endpointer = Endpointer(FRAME)
    assert segments(endpointer, speech(1.0) + pause(0.4) + speech(1.0)) == []


def test_audio_belongs_to_one_segment_at_most() -> None:
    endpointer = Endpointer(FRAME)
    found = segments(endpointer, (speech(1.0) + pause(0.6)) * 3)
    assert len(found) == 3
    for before, after in pairwise(found):
        assert before.end <= after.start


def test_less_probable_speech_goes_on_but_does_not_begin() -> None:
    endpointer = Endpointer(FRAME)
    segments(endpointer, [0.4] * 20)
    assert endpointer.start is None
    segments(endpointer, speech(1.0) + [0.4] * 20)
    assert endpointer.start is not None


def test_a_segment_without_a_pause_is_cut_at_its_least_probable_speech() -> None:
    endpointer = Endpointer(FRAME)
    long = speech(15.0)
    # Both are places to cut, but before the first one there is too little speech.
    long[30:33] = long[100:103] = [0.36] * 3
    (found,) = segments(endpointer, long)
    assert found.end == pytest.approx(10.1, abs=0.11)
    assert endpointer.start == found.end


def test_speech_after_a_cut_is_not_lost() -> None:
    endpointer = Endpointer(FRAME)
    first, second = segments(endpointer, speech(20.0) + pause(0.6))
    assert second.start == first.end
    assert second.speech_end == pytest.approx(20.0)


def test_the_end_of_the_audio_ends_a_segment() -> None:
    endpointer = Endpointer(FRAME)
    segments(endpointer, speech(1.0) + pause(0.1))
    found = endpointer.finish()
    assert found is not None
    assert (found.start, found.end) == pytest.approx((0.0, 1.1))
    assert endpointer.finish() is None


def test_a_segment_has_probably_ended_soon_after_its_speech() -> None:
    endpointer = Endpointer(FRAME)
    segments(endpointer, speech(1.0) + pause(0.2))
    assert endpointer.probable is None
    segments(endpointer, pause(0.2))
    probable = endpointer.probable
    # The same audio, so that what was recognized in it stays valid.
    assert segments(endpointer, pause(0.2)) == [probable]


def test_only_audio_that_a_later_segment_may_contain_is_needed() -> None:
    endpointer = Endpointer(FRAME)
    segments(endpointer, pause(10.0))
    assert endpointer.horizon == pytest.approx(9.7)
    segments(endpointer, speech(5.0))
    assert endpointer.horizon == pytest.approx(9.7)
