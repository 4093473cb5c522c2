"""Recordings over the real Speech SDK: reconnections, silence and speed."""

from __future__ import annotations

import anyio
import pytest

from double.recognition import (
    SECOND,
    Configure,
    Play,
    audio,
    lines,
    offsets,
    run,
    texts,
    transcribe,
)
from speech_adapters.audio import PcmFormat
from speech_adapters.contract import (
    MeetingRequest,
    Recognized,
)
from speech_adapters.errors import (
    TimedOutError,
)
from speech_adapters.meetings import MeetingService
from speech_compat.testing.loopback import (
    ABORT,
    Line,
    Script,
)


@pytest.mark.parametrize("code", [ABORT, 1000, 1011])
def test_a_lost_connection_loses_and_repeats_nothing(
    play: Play, configure: Configure, code: int
) -> None:
    cuts = tuple((at * SECOND + SECOND // 2, code) for at in (2, 5, 6))
    service, url = play(Script(lines(10), cuts=cuts))
    events = run(configure(url), lambda meetings: transcribe(meetings, 10))
    assert texts(events) == [f"line {n}" for n in range(10)]
    assert offsets(events) == [n * SECOND for n in range(10)]
    assert len(service.connections) >= 4


def test_a_result_that_is_sent_twice_is_one_event(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(3), twice=True))
    assert texts(run(configure(url), lambda meetings: transcribe(meetings, 3))) == [
        "line 0",
        "line 1",
        "line 2",
    ]


def test_an_answer_that_cannot_be_read_is_requested_again(play: Play, configure: Configure) -> None:
    _, url = play(Script(lines(3), malformed=True))
    assert texts(run(configure(url), lambda meetings: transcribe(meetings, 4))) == [
        "line 0",
        "line 1",
        "line 2",
    ]


def test_a_silent_service_is_replaced_by_a_new_connection(play: Play, configure: Configure) -> None:
    service, url = play(Script(lines(20), stall=9 * SECOND, clock=True))
    settings = configure(url, patience_seconds="1", ahead_seconds="5")
    events = run(settings, lambda meetings: transcribe(meetings, 20))
    assert texts(events) == [f"line {n}" for n in range(20)]
    assert len({found.connection_id for found in service.connections}) == 2
    speakers = {e.utterance.speaker for e in events if isinstance(e, Recognized)}
    assert speakers == {0, 1}, "a new connection has no voices of the one before"


def test_audio_without_results_is_sent_in_real_time(play: Play, configure: Configure) -> None:
    """The service never answers, and a minute of audio is pushed at once."""
    service, url = play(Script(stall=0))

    async def work(meetings: MeetingService) -> list[int]:
        session = await meetings.open_session(MeetingRequest("m"))
        await session.push(audio(0, 60))
        sent = []
        for _ in range(2):
            await anyio.sleep(2)
            sent.append(service.received // SECOND)
        await session.aclose()
        return sent

    first, second = run(configure(url, ahead_seconds="5"), work)
    assert 5 <= first <= 8
    assert 1 <= second - first <= 3


def test_waiting_for_the_end_of_the_service_is_bounded(play: Play, configure: Configure) -> None:
    _, url = play(Script(stall=0))
    settings = configure(url, patience_seconds="1", attempts="1")
    with pytest.raises(TimedOutError, match="silent for 1 s while it owed an answer"):
        run(settings, lambda meetings: transcribe(meetings, 3))


def test_a_service_that_acknowledges_nothing_is_replaced_by_a_new_connection(
    play: Play, configure: Configure
) -> None:
    """The SDK gives up by itself; the audio since the last result is sent again."""
    service, url = play(Script(lines(80), stall=10 * SECOND, clock=True))
    events = run(configure(url, ahead_seconds="60"), lambda meetings: transcribe(meetings, 80))
    assert texts(events) == [f"line {n}" for n in range(80)]
    assert len(service.connections) == 2


def test_acknowledged_silence_needs_no_results(play: Play, configure: Configure) -> None:
    """There is more audio than the SDK accepts unacknowledged."""
    service, url = play(Script((Line("late", 68 * SECOND, SECOND),), acknowledge=True))
    events = run(configure(url, ahead_seconds="60"), lambda meetings: transcribe(meetings, 70))
    assert texts(events) == ["late"]
    assert len(service.connections) == 1


def test_several_channels_are_sent_as_one(play: Play, configure: Configure) -> None:
    service, url = play(Script(lines(1)))
    run(configure(url), lambda meetings: transcribe(meetings, 3, audio=PcmFormat(16_000, 8)))
    assert service.received == 3 * SECOND
