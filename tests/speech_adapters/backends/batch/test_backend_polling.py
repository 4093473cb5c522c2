"""How often the service is queried about jobs, and for how long."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from double.meetings import Properties, fetch, record, use
from double.service import ServiceDouble
from speech_adapters import JobState, Transcript
from speech_adapters.backends.batch import job_runner, polling, submit
from speech_adapters.errors import (
    MeetingFailedError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

DAY = 86_400


def test_a_job_is_queried_no_more_often_than_the_option_allows(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        for _ in range(10):
            await meetings.status("m")

    use(properties(poll_seconds="60"), work)
    assert sum(line.startswith("GET") for line in double.requests) == 1


def test_one_list_serves_all_open_meetings(properties: Properties, double: ServiceDouble) -> None:
    double.polls = 1000
    names = [f"meeting {number}" for number in range(10)]

    async def work(meetings: MeetingService) -> None:
        for name in names:
            await record(meetings, name)
        double.requests.clear()
        for name in names:
            await meetings.status(name)

    use(properties(poll_seconds="60"), work)
    pages = len(names) // 2  # the double returns two on a page
    assert len(double.requests) == pages


def test_a_deadline_ends_the_wait_and_a_resumed_meeting_waits_for_the_same_job(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls = None

    async def give_up(meetings: MeetingService) -> None:
        await record(meetings)
        with pytest.raises(MeetingFailedError, match=r"in 1e-06 hours \(deadline_hours\)"):
            await fetch(meetings)

    async def go_on(meetings: MeetingService) -> Transcript:
        assert (await meetings.resume("m")).state is JobState.PROCESSING
        double.finish(double.submitted[0])
        return await fetch(meetings)

    use(properties(deadline_hours="0.000001"), give_up)
    assert len(use(properties(), go_on).utterances) == 1
    assert len(double.submitted) == 1


def test_a_job_that_takes_long_is_warned_about_once(
    properties: Properties, double: ServiceDouble, caplog: pytest.LogCaptureFixture
) -> None:
    double.polls = None

    async def work(meetings: MeetingService) -> str:
        await record(meetings)
        steps = [(await meetings.status("m")).step for _ in range(3)]
        return steps[-1]

    assert use(properties(warn_hours="0.000001"), work).startswith("being transcribed at the servi")
    (warning,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert warning.getMessage().startswith("Meeting 'm' is being transcribed at the service for")


def test_the_pause_that_the_service_requests_is_kept(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls, double.retry_after = None, "3600"

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        for _ in range(5):
            await meetings.status("m")

    use(properties(), work)
    assert sum(line.startswith("GET") for line in double.requests) == 1


def queries(double: ServiceDouble) -> int:
    return sum(line.startswith("GET") for line in double.requests)


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    """Set the clock of the day; the monotonic one is not affected, as in reality."""
    clock = SimpleNamespace(time=lambda: time.time() + ahead, monotonic=time.monotonic)
    for module in (job_runner, polling, submit):
        monkeypatch.setattr(module, "time", clock)


@pytest.mark.parametrize("requested", ["inf", "1e9", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_pause_that_the_service_requests_ends_the_polling(
    properties: Properties, double: ServiceDouble, requested: str
) -> None:
    double.polls, double.retry_after = None, requested

    async def work(meetings: MeetingService) -> float:
        await record(meetings)
        await meetings.status("m")
        return (await meetings.store.run(Store.newest, "m")).next_poll

    assert use(properties(), work) == pytest.approx(time.time() + 300, abs=60)


@pytest.mark.parametrize("next_poll", [DAY, 365 * DAY, float("inf")])
def test_a_time_of_the_next_poll_that_is_too_late_is_ignored(
    properties: Properties, double: ServiceDouble, next_poll: float
) -> None:
    async def postpone(meetings: MeetingService) -> None:
        await record(meetings)
        newest = await meetings.store.run(Store.newest, "m")
        await meetings.store.run(Store.update, newest.id, next_poll=time.time() + next_poll)

    use(properties(), postpone)
    assert use(properties(), fetch).utterances


def test_a_clock_that_was_ahead_stops_no_polling(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.polls = None

    async def ask(meetings: MeetingService) -> JobState:
        return (await meetings.status("m")).state

    use(properties(poll_seconds="60"), record)
    set_clock(monkeypatch, DAY)
    assert use(properties(poll_seconds="60", deadline_hours="0"), ask) is JobState.PROCESSING
    set_clock(monkeypatch, 0)
    double.finish(double.submitted[0])
    assert use(properties(poll_seconds="60"), ask) is JobState.COMPLETED


@pytest.mark.parametrize("ahead", [DAY, -DAY])
def test_a_clock_that_is_set_does_not_shorten_the_pause_of_this_process(
    properties: Properties,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    ahead: float,
) -> None:
    double.polls = None

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        await meetings.status("m")
        set_clock(monkeypatch, ahead)
        await meetings.status("m")

    use(properties(poll_seconds="60"), work)
    assert queries(double) == 1


def test_a_job_that_was_submitted_in_the_future_has_waited_for_no_time(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.polls = None

    async def ask(meetings: MeetingService) -> str:
        return (await meetings.status("m")).step

    set_clock(monkeypatch, DAY)
    use(properties(), record)
    set_clock(monkeypatch, 0)
    assert use(properties(), ask) == "being transcribed at the service for 0 min"
