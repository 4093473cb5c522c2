from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_adapters.backends.local.diarization import Diarization, Turn
from speech_adapters.backends.local.live_speakers import LiveSpeakers, StableNumbers, spans_at


def diarization(*turns: Turn, speakers: int | None = None) -> Diarization:
    count = speakers or 1 + max((turn.speaker for turn in turns), default=-1)
    speech = [0.0] * count
    for turn in turns:
        speech[turn.speaker] += turn.end - turn.start
    return Diarization(turns, np.zeros((count, 4), np.float32), tuple(speech))


class Diarizer:
    """Records what its thread calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.threads: set[str] = set()
        self.fail = False

    def add_audio(self, samples: NDArray[np.float32]) -> None:
        self.threads.add(threading.current_thread().name)
        if self.fail:
            raise RuntimeError("no memory")
        self.calls.append(len(samples))

    def current(self) -> Diarization:
        self.calls.append("current")
        return diarization(Turn(0.0, 1.0, 0))

    def finish(self) -> Diarization:
        self.calls.append("finish")
        return diarization(Turn(0.0, 1.0, 0), Turn(1.0, 2.0, 1))


def test_the_diarizer_works_in_order_in_a_thread_of_its_own() -> None:
    diarizer = Diarizer()
    with LiveSpeakers(diarizer) as speakers:
        speakers.add(np.zeros(10, np.float32))
        assert speakers.estimate().result().speech == (1.0,)
        speakers.add(np.zeros(20, np.float32))
        assert speakers.finish().speech == (1.0, 1.0)
    assert diarizer.calls == [10, "current", 20, "finish"]
    assert threading.current_thread().name not in diarizer.threads
    assert len(diarizer.threads) == 1


def add_many(speakers: LiveSpeakers) -> None:
    for _ in range(100):
        speakers.add(np.zeros(10, np.float32))


def test_a_failure_in_the_thread_is_raised() -> None:
    diarizer = Diarizer()
    diarizer.fail = True
    with LiveSpeakers(diarizer) as speakers:
        speakers.add(np.zeros(10, np.float32))
        with pytest.raises(RuntimeError, match="no memory"):
            add_many(speakers)


def numbered(*turns: Turn) -> StableNumbers:
    """Return the numbers of the speakers of some turns."""
    numbers = StableNumbers()
    numbers.update(diarization(*turns))
    return numbers


def test_the_turns_of_a_line_are_found_however_many_there_are() -> None:
    turns = [Turn(10.0 * n, 10.0 * n + 9.0, n % 2) for n in range(1000)]
    spans = spans_at(turns, 5003.0, 5012.0, {}, numbered(*turns))
    assert [(span.start, span.end, span.speaker) for span in spans] == [
        (5000.0, 5009.0, 0),
        (5010.0, 5019.0, 1),
    ]


def test_turns_near_a_line_belong_to_it() -> None:
    turns = (Turn(0.0, 1.0, 0), Turn(4.0, 5.0, 1), Turn(9.0, 9.5, 2))
    spans = spans_at(turns, 1.5, 3.5, {}, numbered(*turns))
    assert [span.speaker for span in spans] == [0, 1]


def test_a_number_stays_while_its_speaker_is_found() -> None:
    numbers = numbered(Turn(0.0, 1.0, 0))
    assert not numbers.update(diarization(Turn(0.0, 1.0, 0), Turn(1.0, 2.0, 1)))
    assert (numbers[0], numbers[1]) == (0, 1)


def test_the_first_of_two_speakers_that_replace_one_keeps_its_number() -> None:
    numbers = numbered(Turn(0.0, 4.0, 0))
    replaced = diarization(Turn(0.0, 2.0, 1), Turn(2.0, 4.0, 2))
    assert numbers.update(replaced)
    assert (numbers[1], numbers[2]) == (0, 1)


def test_a_speaker_that_comes_later_does_not_get_the_number_of_a_former_one() -> None:
    numbers = numbered(Turn(0.0, 1.0, 0), Turn(1.0, 2.0, 1))
    merged = Turn(0.0, 2.0, 0)
    assert numbers.update(diarization(merged, speakers=2))
    numbers.update(diarization(merged, Turn(2.0, 3.0, 2)))
    assert numbers[2] == 2


def test_a_span_has_the_stable_number() -> None:
    numbers = numbered(Turn(0.0, 4.0, 0))
    turns = (Turn(0.0, 2.0, 1), Turn(2.0, 4.0, 2))
    numbers.update(diarization(*turns))
    assert [span.speaker for span in spans_at(turns, 0.0, 4.0, {}, numbers)] == [0, 1]
