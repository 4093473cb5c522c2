"""When the service is asked about jobs, and about which of them at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from double.batch_parts import Parts, requests_for
from double.meetings import Properties, record, use
from double.service import ServiceDouble
from speech_adapters import JobState, sweeping
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import BatchProgress
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store
from speech_adapters.store.sqlite.database import Database

Run = Callable[..., Any]
JOBS = r"GET .*/transcriptions$"
JOB = r"GET .*/transcriptions/[^/]+$"


def test_one_list_serves_all_meetings_that_end_together(run: Run, double: ServiceDouble) -> None:
    double.polls = 0

    async def work(parts: Parts) -> list[JobState]:
        recordings = [await parts.record(meeting_id=f"m{n}") for n in range(4)]
        for recording in recordings:
            await parts.step(recording)
        double.requests.clear()
        return [await parts.step(recording) for recording in recordings]

    assert run(work, poll_seconds=60) == [JobState.COMPLETED] * 4
    assert requests_for(double, JOBS) == 2, "the pages of one list"
    assert requests_for(double, JOB) == 0


def test_a_list_postpones_the_other_open_meetings(run: Run, double: ServiceDouble) -> None:
    double.polls, double.retry_after = 1000, "3600"

    async def work(parts: Parts) -> list[float]:
        recordings = [await parts.record(meeting_id=f"m{n}") for n in range(3)]
        for recording in recordings:
            await parts.step(recording)
        await parts.step(recordings[0])
        return [(await parts.get(recording)).next_poll for recording in recordings]

    after = run(work)
    assert after == [pytest.approx(time.time() + 300, abs=60)] * 3, "no pause is longer"
    assert len(set(after)) == 1, "in one statement"


def test_nothing_is_requested_before_the_next_poll(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        await parts.store.run(Store.update, recording, next_poll=time.time() + 60)
        double.requests.clear()
        await parts.step(recording)

    run(work)
    assert double.requests == []


def test_a_job_that_is_missing_in_the_list_is_requested_by_itself(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        first, second = await parts.record(meeting_id="1"), await parts.record(meeting_id="2")
        await parts.step(first)
        await parts.step(second)
        del double.jobs[double.submitted[0]]
        assert await parts.step(first) is JobState.FAILED
        failed = await parts.get(first)
        assert "no longer exists at the service" in failed.reason
        assert await parts.progress(first) == BatchProgress(chunks=(Chunk(0, 16_000),), attempt=1)
        assert await parts.step(second) is JobState.COMPLETED, "it is not affected"

    run(work)


def test_a_meeting_whose_job_is_missing_in_the_list_is_not_postponed(
    run: Run, double: ServiceDouble
) -> None:
    """Otherwise frequent queries of another meeting would postpone it for ever."""
    double.polls = 1000

    async def work(parts: Parts) -> float:
        first, second = await parts.record(meeting_id="1"), await parts.record(meeting_id="2")
        await parts.step(first)
        await parts.step(second)
        # As after a change of the clock: the list does not reach back so far.
        double.jobs[double.submitted[1]].created -= timedelta(days=2)
        await parts.step(first)
        return (await parts.get(second)).next_poll

    assert run(work) == 0.0
    assert double.filters[-1].startswith("createdDateTime ge ")


async def submit_all(parts: Parts, count: int) -> list[Recording]:
    """Return recordings whose jobs are submitted."""
    ids = [await parts.record(meeting_id=f"m{number}") for number in range(count)]
    for recording in ids:
        await parts.step(recording)
    return [await parts.get(recording) for recording in ids]


def test_one_list_and_one_transaction_postpone_all_open_jobs(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.polls, transactions = None, []
    begin = Database.transaction

    def counted(database: Database, *args: Any) -> Any:
        transactions.append(args)
        return begin(database, *args)

    async def work(parts: Parts) -> None:
        recordings = await submit_all(parts, 6)
        double.requests.clear()
        monkeypatch.setattr(Database, "transaction", counted)
        idle = await parts.runner.refresh(recordings)
        assert idle == {recording.id for recording in recordings}
        assert len(transactions) == 1
        after = [await parts.get(recording.id) for recording in recordings]
        assert {found.step for found in after} == {"being transcribed at the service for 0 min"}
        assert all(found.next_poll == pytest.approx(time.time() + 60, abs=30) for found in after)

    run(work, poll_seconds=60)
    assert requests_for(double, JOBS) == len(double.requests) == 3, "the pages of one list"


def test_a_list_for_all_leaves_the_final_jobs_to_their_recordings(
    run: Run, double: ServiceDouble
) -> None:
    double.polls = None

    async def work(parts: Parts) -> None:
        recordings = await submit_all(parts, 4)
        for job in double.submitted[:2]:
            double.finish(job)
        idle = await parts.runner.refresh(recordings)
        assert idle == {recording.id for recording in recordings[2:]}
        double.requests.clear()
        assert await parts.runner.refresh(recordings[:2]) == set(), "known to be final"
        for recording in recordings[:2]:
            assert await parts.step(recording.id) is JobState.COMPLETED
        assert requests_for(double, JOBS) == requests_for(double, JOB) == 0

    run(work)


def test_what_needs_more_than_an_answer_is_left_to_its_recording(
    run: Run, double: ServiceDouble
) -> None:
    double.polls = None

    async def work(parts: Parts) -> None:
        ids = [recording.id for recording in await submit_all(parts, 5)]
        overdue = time.time() - 50 * 3_600
        await parts.change(ids[0], submitted_at=overdue, warned=True)
        await parts.change(ids[1], submitted_at=time.time() - 7 * 3_600)  # to be warned about
        await parts.store.run(Store.update, ids[2], backend_state="{")
        waiting = await parts.record(meeting_id="not submitted")
        recordings = [await parts.get(key) for key in (*ids, waiting)]
        assert await parts.runner.refresh(recordings) == set(ids[3:])

    run(work, deadline_hours=48)


def test_a_single_job_is_not_listed(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recordings = await submit_all(parts, 1)
        double.requests.clear()
        assert await parts.runner.refresh(recordings) == set()

    run(work)
    assert double.requests == []


def test_a_sweep_reads_one_list_for_any_number_of_open_jobs(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "_MOST", 2)
    double.polls = None

    async def work(meetings: MeetingService) -> list[str]:
        for number in range(8):
            await record(meetings, f"m{number}")
        double.requests.clear()
        await meetings.sweep(0.0)
        return [found.step for found in await meetings.recordings()]

    steps = use(properties(poll_seconds="60"), work)
    assert set(steps) == {"being transcribed at the service for 0 min"}
    assert requests_for(double, JOBS) == len(double.requests) == 4, "the pages of one list"
