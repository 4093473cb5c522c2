"""Deletions and deadlines of recordings that share a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from double.batch_groups import end_wait, expected, finish, record_all, sent, share, text, wait_all
from double.batch_parts import Parts
from double.service import ServiceDouble
from speech_adapters import JobState
from speech_adapters.backends.batch.progress import BatchStage
from speech_adapters.store import Store

Run = Callable[..., Any]


@pytest.mark.parametrize("end", ["complete", "fail", "delete"])
def test_a_job_is_deleted_after_the_last_of_its_recordings_has_ended(
    run: Run, double: ServiceDouble, end: str
) -> None:
    async def work(parts: Parts) -> None:
        first, second = await share(parts, 2)
        cleanup = parts.runner.cleanup
        await parts.store.run(Store.delete, first)
        assert not await cleanup.discard(await parts.get(first))
        double.finish(double.submitted[0])
        assert not await cleanup.discard(await parts.get(first)), "the other one needs it"
        assert len(double.jobs) == 1
        assert parts.blobs(first) == []
        if end == "complete":
            assert await parts.step(second) is JobState.COMPLETED
        elif end == "fail":
            await parts.store.run(Store.fail, second, "why")
        else:
            await parts.store.run(Store.delete, second)
        assert await cleanup.discard(await parts.get(first))
        assert double.jobs == {}
        await parts.store.run(Store.delete, second)
        assert await cleanup.discard(await parts.get(second)), "it is gone already"

    run(work)


def test_a_failed_recording_leads_to_its_shared_job_until_it_is_deleted(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 2)
        double.failures = {recordings[0]: "Permanent"}
        await wait_all(parts, recordings)
        await end_wait(parts, recordings[0])
        await parts.step(recordings[0])
        double.finish(double.submitted[0])
        assert await finish(parts, recordings[0]) is JobState.FAILED
        assert await finish(parts, recordings[1]) is JobState.COMPLETED
        await parts.store.run(Store.delete, recordings[0])
        assert await parts.runner.cleanup.discard(await parts.get(recordings[0]))

    run(work)
    assert double.jobs == {}


def test_a_deletion_keeps_a_job_that_others_have_not_found_yet(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await share(parts, 2)
        for recording in recordings:  # as after a crash between request and answer
            await parts.change(recording, stage=BatchStage.SUBMITTING, job_url="", shared=())
        double.finish(double.submitted[0])
        await parts.store.run(Store.delete, recordings[0])
        assert not await parts.runner.cleanup.discard(await parts.get(recordings[0]))
        assert await finish(parts, recordings[1]) is JobState.COMPLETED
        assert await parts.runner.cleanup.discard(await parts.get(recordings[0]))

    run(work)
    assert len(double.submitted) == 1
    assert double.jobs == {}


def test_a_meeting_deleted_while_it_waits_is_not_submitted(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await wait_all(parts, recordings)
        await parts.store.run(Store.delete, recordings[1])
        await end_wait(parts, recordings[0])
        await parts.step(recordings[0])
        assert sent(double) == [[recordings[0], recordings[2]]]

    run(work)


def test_a_meeting_deleted_just_before_the_request_is_not_submitted(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speech_adapters.backends.batch import groups

    lock_others = groups._lock_others
    deleted: list[str] = []

    def lock_and_delete(store: Store, *args: Any) -> None:
        lock_others(store, *args)
        store.delete(deleted[0])

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await wait_all(parts, recordings)
        await end_wait(parts, recordings[0])
        deleted.append(recordings[1])
        monkeypatch.setattr(groups, "_lock_others", lock_and_delete)
        await parts.step(recordings[0])
        assert sent(double) == [[recordings[0], recordings[2]]]
        assert not await parts.runner.cleanup.discard(await parts.get(recordings[1]))
        double.finish(double.submitted[0])
        assert await finish(parts, recordings[0]) is JobState.COMPLETED
        assert await finish(parts, recordings[2]) is JobState.COMPLETED
        assert await text(parts, recordings[2]) == expected(2)

    run(work)


def test_a_deadline_ends_the_wait_of_each_recording(run: Run, double: ServiceDouble) -> None:
    double.polls = None

    async def work(parts: Parts) -> None:
        recordings = await share(parts, 2)
        for recording in recordings:
            await parts.change(recording, submitted_at=1.0)
            assert await parts.step(recording) is JobState.FAILED
        await parts.store.run(Store.resume, recordings[1])
        double.finish(double.submitted[0])
        assert await finish(parts, recordings[1]) is JobState.COMPLETED

    run(work)
    assert len(double.submitted) == 1


def test_the_job_has_a_name_of_its_own_and_the_tag_of_the_submission(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> str:
        recordings = await share(parts, 2)
        return (await parts.progress(recordings[0])).submission

    submission = run(work)
    (job,) = double.jobs.values()
    assert job.body["displayName"] == f"speech-compat {submission}"
    assert job.body["customProperties"] == {"speechCompatRecording": submission}
