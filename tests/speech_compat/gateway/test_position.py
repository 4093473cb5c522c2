from __future__ import annotations

import pytest

from double.scripted_backend import said
from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.contract import Hypothesis, Progress, Recognized
from speech_compat.gateway.framing import FramingError
from speech_compat.gateway.position import AudioPosition

SECOND = 10_000_000
MONO = PcmFormat()
BYTES = 32_000


def filled(seconds: float, start: int = 0) -> AudioPosition:
    position = AudioPosition(MONO, start, start)
    position.restart(start)
    position.add(round(seconds * BYTES))
    return position


def test_repeated_audio_is_dropped_once() -> None:
    position = filled(3)
    position.restart(2 * SECOND)
    first = b"\1\0" * (BYTES // 4)
    assert position.new_part(first) == b""
    assert position.new_part(first + b"\2\0" * 8_000) == b"\2\0" * 8_000
    assert position.new_part(b"\3\0") == b"\3\0"


def test_only_whole_frames_reach_the_session() -> None:
    position = AudioPosition(PcmFormat(16_000, 8))
    assert position.new_part(bytes(range(20))) == bytes(range(16))
    assert position.new_part(bytes(range(20, 36))) == bytes(range(16, 32))
    assert position.new_part(b"") == b""
    assert position.new_part(bytes(12)) == bytes(range(32, 36)) + bytes(12)


def test_a_rest_of_an_earlier_connection_is_no_part_of_the_next() -> None:
    position = AudioPosition(MONO)
    position.new_part(b"\1")
    position.restart(0)
    assert position.new_part(b"\2\2") == b"\2\2"


def test_a_rounded_end_leaves_a_gap_of_silence() -> None:
    position = filled(1)
    position.restart(SECOND + 6_250)  # 10 samples
    assert position.new_part(b"\1\1") == bytes(20) + b"\1\1"
    position.add(22)
    assert position.received == SECOND + 6_875


def test_audio_that_was_never_received_is_an_error() -> None:
    with pytest.raises(FramingError, match="gap"):
        filled(1).restart(3 * SECOND)


def test_positions_count_from_the_start_of_the_recording() -> None:
    position = filled(2, start=5 * SECOND)
    assert (position.received, position.duration) == (7 * SECOND, 2 * SECOND)
    position.restart(6 * SECOND)
    assert position.new_part(bytes(BYTES)) == b""
    taken_over = AudioPosition(MONO, 0, 5 * SECOND)
    assert (taken_over.received, taken_over.duration) == (5 * SECOND, 5 * SECOND)


def test_audio_is_acknowledged_every_few_seconds() -> None:
    position = filled(4.9)
    assert position.due(0) is None
    position.add(BYTES)
    assert position.due(0) == 59_000_000
    assert position.due(59_000_000) is None
    position = filled(0)
    position.add(10 * BYTES + 2)
    assert position.due(0) == 10 * SECOND, "whole milliseconds"


def test_an_open_utterance_is_not_acknowledged() -> None:
    position = filled(12, start=SECOND)
    position.note(Hypothesis(said("so far", 7, 9)))
    assert position.due(0) == 8 * SECOND
    position.note(Progress(6 * SECOND))
    assert position.due(0) == 7 * SECOND
    assert position.due(7 * SECOND) is None
    position.note(Progress(11 * SECOND))
    position.note(Recognized(said("an earlier one", 1, 2, 1), correction=True))
    assert position.due(0) == 8 * SECOND
    position.note(Recognized(said("so far", 7, 9)))
    assert position.due(0) == 12 * SECOND


def test_a_client_that_would_give_up_gets_an_acknowledgement_anyway() -> None:
    position = filled(31)
    position.note(Hypothesis(said("endless", 0, 29)))
    assert position.due(0) == 31 * SECOND


def test_the_age_of_audio() -> None:
    now = 100.0
    position = AudioPosition(MONO, clock=lambda: now)
    position.add(BYTES)
    now = 103.0
    position.add(BYTES)
    now = 104.5
    assert position.age(SECOND) == 4.5
    assert position.age(SECOND + 1) == 1.5
    assert position.age(9 * SECOND) is None
