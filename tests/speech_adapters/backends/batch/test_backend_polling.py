"""How often the service is queried about jobs, and for how long."""

from __future__ import annotations

import pytest

from double.meetings import Properties, fetch, record, use
from double.service import ServiceDouble
from speech_adapters import JobState, Transcript
from speech_adapters.errors import (
    MeetingFailedError,
)
from speech_adapters.meetings import MeetingService


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
