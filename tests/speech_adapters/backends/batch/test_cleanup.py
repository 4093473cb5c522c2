"""What is deleted at the service and in the container after a meeting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from double.batch_parts import Parts
from double.service import Fault, ServiceDouble
from speech_adapters import JobState
from speech_adapters.backends.batch.api import Job, Submission
from speech_adapters.backends.batch.progress import BatchStage
from speech_adapters.errors import AuthenticationError
from speech_adapters.store import Store

Run = Callable[..., Any]


def test_audio_is_kept_in_the_container_if_the_option_says_so(
    run: Run, double: ServiceDouble
) -> None:
    double.polls = 0

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        assert await parts.step(recording) is JobState.COMPLETED
        assert len(parts.blobs(recording)) == 1

    run(work, keep_audio=True)


def test_a_meeting_deleted_during_its_submission_leaves_a_job_to_discard(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        submit = parts.client.submit

        async def slow(submission: Submission) -> Job:
            await parts.store.run(Store.delete, recording)
            return await submit(submission)

        monkeypatch.setattr(parts.client, "submit", slow)
        assert await parts.step(recording) is JobState.DELETED
        deleted = await parts.get(recording)
        assert not await parts.runner.cleanup.discard(deleted), "the job is running"
        assert parts.blobs(recording) == []
        double.finish(double.submitted[0])
        assert await parts.runner.cleanup.discard(deleted)
        assert double.jobs == {}

    run(work)


def test_a_job_whose_address_was_not_stored_is_discarded_too(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recording, other = await parts.record(), await parts.record()
        for each in (recording, other):
            await parts.step(each)
            double.finish(double.submitted[-1])
        await parts.change(recording, stage=BatchStage.SUBMITTING, job_url="")
        assert await parts.runner.cleanup.discard(await parts.get(recording))

    run(work)
    assert list(double.jobs) == [double.submitted[1]], "only the recording's own job"


def test_nothing_was_submitted_by_a_process_that_stopped_before(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.change(recording, stage=BatchStage.SUBMITTING)
        assert await parts.runner.cleanup.discard(await parts.get(recording))

    run(work)


def test_jobs_that_an_earlier_version_left_are_discarded(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        double.finish(double.submitted[0])
        url = (await parts.progress(recording)).job_url
        await parts.change(recording, job_url="", undeleted=(url,))
        assert await parts.runner.cleanup.discard(await parts.get(recording))

    run(work)
    assert double.jobs == {}


def test_a_service_that_refuses_to_delete_is_an_error(run: Run, double: ServiceDouble) -> None:
    double.faults = [Fault("DELETE", PlainTextResponse("no", 403))]

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        with pytest.raises(AuthenticationError):
            await parts.runner.cleanup.discard(await parts.get(recording))

    run(work)
