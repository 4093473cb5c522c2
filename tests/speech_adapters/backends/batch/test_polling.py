"""When the service is asked about jobs, and about which of them at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from double.batch_parts import Parts, requests_for
from double.service import ServiceDouble
from speech_adapters import JobState
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import BatchProgress
from speech_adapters.store import Store

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
