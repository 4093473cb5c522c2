"""Meetings that can never succeed reach the state Failed, and can be resumed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from double.meetings import Properties, fetch, record, use
from double.service import Fault, ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode, Transcript
from speech_adapters.contract import MeetingStatus
from speech_adapters.errors import (
    AuthenticationError,
    BackendError,
    SpeechError,
)
from speech_adapters.meetings import MeetingService

SUBMIT = r"POST .*submit"
JOBS = r"GET .*/transcriptions$"
JOB = r"GET .*/transcriptions/[^/]+$"
RESULT = r"/results/.*contenturl"
ALWAYS = 1_000


def count(double: ServiceDouble, pattern: str) -> int:
    method, _, path = pattern.partition(" ")
    return sum(line.startswith(method) and path in line for line in double.requests)


def refusal(status: int) -> Response:
    return JSONResponse({"code": "Refused", "message": "no such locale"}, status)


async def insist(meetings: MeetingService, times: int = 20) -> MeetingStatus:
    """Return the first final status; errors of single queries are not final."""
    for _ in range(times):
        try:
            status = await meetings.status("m")
        except SpeechError:
            continue
        if status.state.final:
            return status
    raise AssertionError("the meeting is never final")


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_refused_submission_is_final_and_not_sent_again(
    properties: Properties, double: ServiceDouble, status: int
) -> None:
    double.faults = [Fault(SUBMIT, refusal(status), ALWAYS)]

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        for _ in range(3):
            found = await meetings.status("m")
            assert found.state is JobState.FAILED
            assert f"({status} Refused): no such locale" in found.reason

    use(properties(), work)
    assert count(double, "POST :submit") == 1


def test_a_refused_meeting_is_resumed_once_the_reason_is_gone(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault(SUBMIT, refusal(403))]

    async def work(meetings: MeetingService) -> Transcript:
        await record(meetings)
        assert (await meetings.resume("m")).state is JobState.PROCESSING
        return await fetch(meetings)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 1


def test_a_refused_meeting_of_audio_at_an_address_is_resumed_too(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault(SUBMIT, refusal(400))]
    address = "https://127.0.0.1/a.wav"

    async def work(meetings: MeetingService) -> list[JobState]:
        request = MeetingRequest("m", mode=Mode.STORED, addresses=(address,))
        async with await meetings.open_session(request) as session:
            await session.finish()
        return [(await meetings.status("m")).state, (await meetings.resume("m")).state]

    assert use(properties(), work) == [JobState.FAILED, JobState.PROCESSING]
    assert double.jobs[double.submitted[0]].body["contentUrls"] == [address]


def test_a_refused_search_for_a_job_is_no_refusal_of_the_job(
    properties: Properties, double: ServiceDouble
) -> None:
    """The job exists, so a recording that failed now would be billed again when it is resumed."""
    double.faults = [Fault(SUBMIT, "drop"), Fault(JOBS, refusal(403))]

    async def work(meetings: MeetingService) -> Transcript:
        with pytest.raises(AuthenticationError):
            await record(meetings)
        return await fetch(meetings)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 1


@pytest.mark.parametrize("content", ["<html>", '{"hello": 1}', ""])
def test_a_result_that_stays_unreadable_is_final(
    properties: Properties, double: ServiceDouble, content: str
) -> None:
    double.faults = [Fault(RESULT, PlainTextResponse(content), ALWAYS)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        return await insist(meetings)

    status = use(properties(), work)
    assert status.state is JobState.FAILED
    assert "could not be read in 5 attempts" in status.reason
    assert count(double, "GET /results/") == 10, "report and result, five times"


def test_a_list_of_files_that_stays_unreadable_is_final(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault("/files", PlainTextResponse("<html>"), ALWAYS)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        return await insist(meetings)

    assert "could not be read in 5 attempts" in use(properties(), work).reason


def test_a_meeting_with_an_unreadable_result_is_resumed_without_another_job(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault(RESULT, PlainTextResponse("<html>"), times=5)]

    async def work(meetings: MeetingService) -> Transcript:
        await record(meetings)
        assert (await insist(meetings)).state is JobState.FAILED
        await meetings.resume("m")
        return await fetch(meetings)

    assert len(use(properties(), work).utterances) == 1
    assert len(double.submitted) == 1, "a second one would be billed"


def test_a_key_that_is_refused_for_long_does_not_count_as_an_unreadable_result(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault("/files", PlainTextResponse("no", 401), times=10)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        return await insist(meetings)

    assert use(properties(), work).state is JobState.COMPLETED


@pytest.mark.parametrize("status", [401, 503])
def test_the_deadline_also_ends_attempts_to_submit(
    properties: Properties, double: ServiceDouble, status: int
) -> None:
    double.faults = [Fault(SUBMIT, PlainTextResponse("no", status), ALWAYS)]

    async def give_up(meetings: MeetingService) -> None:
        with suppress(BackendError):  # it depends on the clock which step misses the deadline
            await record(meetings)
        found = await insist(meetings)
        assert found.state is JobState.FAILED
        assert "could not be submitted to the service in 1e-06 hours (deadline_hours)" in (
            found.reason
        )
        assert f"The last error: POST {double.url}" in found.reason

    async def go_on(meetings: MeetingService) -> Transcript:
        double.faults.clear()
        await meetings.resume("m")
        return await fetch(meetings)

    use(properties(deadline_hours="0.000001"), give_up)
    assert len(use(properties(), go_on).utterances) == 1


def test_the_deadline_also_ends_attempts_to_upload(
    properties: Properties, double: ServiceDouble, storage: str
) -> None:
    wrong = storage.replace("AccountKey=Eby8", "AccountKey=Abcd")
    options = properties(storage_connection_string=wrong, deadline_hours="0.000001")

    async def work(meetings: MeetingService) -> Any:
        with suppress(BackendError):  # it depends on the clock which step misses the deadline
            await record(meetings)
        return await insist(meetings)

    status = use(options, work)
    assert status.state is JobState.FAILED
    assert "storage container" in status.reason


def test_the_deadline_also_ends_queries_whose_answer_is_unreadable(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault(JOB, HTMLResponse("<html>"), ALWAYS)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        return await insist(meetings)

    status = use(properties(deadline_hours="0.000001"), work)
    assert status.state is JobState.FAILED
    assert "answered with text/html" in status.reason


def test_before_the_deadline_a_step_that_fails_is_repeated(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault(SUBMIT, PlainTextResponse("no", 401), times=10)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        with pytest.raises(AuthenticationError):
            await record(meetings)
        return await insist(meetings)

    assert use(properties(), work).state is JobState.COMPLETED
