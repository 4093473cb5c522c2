"""Recordings of a group share one job, whatever stops or is deleted meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from double.batch_groups import end_wait, expected, finish, record_all, sent, share, text, wait_all
from double.batch_parts import Parts, requests_for
from double.service import Fault, ServiceDouble
from speech_adapters import JobState
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import BatchStage
from speech_adapters.errors import BackendError, UnavailableError
from speech_adapters.meeting_locks import recording_locked
from speech_adapters.store import Store

Run = Callable[..., Any]
COUNTING = pytest.mark.parametrize("counting", ["position", "rank", "reversed"])
REFUSED = JSONResponse({"code": "InvalidRequest", "message": "One of them is wrong."}, 400)


@COUNTING
def test_each_recording_gets_its_own_result_of_one_job(
    run: Run, double: ServiceDouble, counting: str
) -> None:
    double.counting = counting

    async def work(parts: Parts) -> None:
        recordings = await share(parts, 5)
        assert sent(double) == [recordings]
        double.finish(double.submitted[0])
        double.requests.clear()
        for number in (3, 0, 4, 1, 2):
            assert await parts.step(recordings[number]) is JobState.COMPLETED
            assert await text(parts, recordings[number]) == expected(number)
        assert all(parts.blobs(recording) == [] for recording in recordings)

    run(work)
    assert requests_for(double, "GET .*/files$") == 1, "one list of files for all"
    assert requests_for(double, "report.json") == 1
    assert requests_for(double, r"GET .*/transcriptions/[^/]+$") == 1, "one answer about the job"
    assert requests_for(double, "contenturl") <= 2 * 5


def test_results_are_read_once_where_their_names_are_as_expected(
    run: Run, double: ServiceDouble
) -> None:
    double.counting = "position"

    async def work(parts: Parts) -> None:
        recordings = await share(parts, 5)
        double.finish(double.submitted[0])
        for recording in reversed(recordings):
            assert await parts.step(recording) is JobState.COMPLETED

    run(work)
    assert requests_for(double, "contenturl") == 5


@COUNTING
def test_a_recording_whose_file_failed_fails_alone_for_its_own_reason(
    run: Run, double: ServiceDouble, counting: str
) -> None:
    double.counting = counting

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 4)
        double.failures = {recordings[1]: "Permanent"}
        await wait_all(parts, recordings)
        await end_wait(parts, recordings[2])
        await parts.step(recordings[2])
        double.finish(double.submitted[0])
        states = [await parts.step(recording) for recording in recordings]
        assert states == [
            *(JobState.COMPLETED, JobState.FAILED),
            *(JobState.COMPLETED, JobState.COMPLETED),
        ]
        for number in (0, 2, 3):
            assert await text(parts, recordings[number]) == expected(number)
        failed = await parts.get(recordings[1])
        assert "Permanent: The double failed for" in failed.reason
        assert recordings[1] in failed.reason
        assert "sig" not in failed.reason
        # A retry is a new job, and the others stay as they are.
        double.failures = {}
        await parts.store.run(Store.resume, recordings[1])
        await parts.step(recordings[1])
        await end_wait(parts, recordings[1])
        await parts.step(recordings[1])
        double.finish(double.submitted[1])
        assert await finish(parts, recordings[1]) is JobState.COMPLETED
        assert await text(parts, recordings[1]) == expected(1)
        assert sent(double)[1] == [recordings[1]]

    run(work)
    assert len(double.submitted) == 2


def test_a_transient_failure_of_a_file_is_repeated_with_others(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        double.failures = dict.fromkeys(recordings[:2], "Transient")
        await wait_all(parts, recordings)
        await end_wait(parts, *recordings)
        await parts.step(recordings[0])
        double.finish(double.submitted[0])
        double.failures = {}
        states = [await parts.step(recording) for recording in recordings]
        assert states == [JobState.PROCESSING, JobState.PROCESSING, JobState.COMPLETED]
        await wait_all(parts, recordings[:2])
        await end_wait(parts, *recordings[:2])
        await parts.step(recordings[0])
        double.finish(double.submitted[1])
        for number in (0, 1):
            assert await finish(parts, recordings[number]) is JobState.COMPLETED
            assert await text(parts, recordings[number]) == expected(number)
        assert sent(double)[1] == recordings[:2]

    run(work)


def test_a_job_is_submitted_as_soon_as_enough_recordings_wait(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 5)
        for recording in recordings:
            await parts.step(recording)
        assert sent(double) == [recordings[2:3] + recordings[:2]]
        waiting = await parts.get(recordings[4])
        assert waiting.status().step == "waiting for others of its group"
        progress = await parts.progress(recordings[4])
        assert waiting.next_poll == progress.waiting_since + 30
        assert (await parts.get(recordings[0])).next_poll == 0.0

    run(work, recordings_per_job=3)


def test_a_recording_that_waited_in_vain_has_a_job_of_its_own(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        (recording,) = await record_all(parts, 1)
        await parts.step(recording)
        assert double.submitted == []
        await end_wait(parts, recording)
        await parts.step(recording)
        assert (await parts.get(recording)).next_poll == 0.0

    run(work)
    (job,) = double.jobs.values()
    assert job.body["displayName"] == "m0", "so any machine finds it"


def test_a_clock_that_was_ahead_ends_the_wait(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        (recording,) = await record_all(parts, 1)
        await parts.step(recording)
        await parts.change(recording, waiting_since=time.time() + 86_400)
        await parts.step(recording)

    run(work)
    assert len(double.submitted) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"group": "h"},
        {"group": ""},
        {"language": "de-DE"},
        {"max_speakers": 5},
        {"differentiate_speakers": False},
        {"word_timestamps": True},
        {"settings": {"profanity": "raw"}},
        {"languages": (("de-DE", ""), ("fr-FR", ""))},
    ],
)
def test_only_recordings_of_a_group_whose_jobs_are_alike_share_one(
    run: Run, double: ServiceDouble, other: dict[str, Any]
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 2)
        different = await parts.record(meeting_id="other", **{"group": "g", **other})
        await wait_all(parts, recordings)
        await parts.step(different)
        await end_wait(parts, recordings[0])
        await parts.step(recordings[0])
        assert sent(double)[-1] == recordings

    run(work)


@pytest.mark.parametrize("options", [{"recordings_per_job": 1}, {}])
def test_a_recording_without_sharing_is_submitted_at_once(
    run: Run, double: ServiceDouble, options: dict[str, Any]
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record(group="g" if options else "")
        await parts.step(recording)
        assert (await parts.progress(recording)).stage is BatchStage.SUBMITTED

    run(work, **options)
    (job,) = double.jobs.values()
    assert job.body["displayName"] == "m"


def test_audio_at_addresses_has_a_job_of_its_own(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record(b"", group="g")
        await parts.change(recording, addresses=("https://127.0.0.1/a.wav",))
        await parts.step(recording)

    run(work)
    assert len(double.submitted) == 1


def test_a_recording_that_another_process_has_locked_is_left_for_the_next_job(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.groups._LOCK_PAUSE_SECONDS", 0.0)

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await wait_all(parts, recordings)
        await end_wait(parts, *recordings)
        lock = await parts.store.run(Store.lock_recording, recordings[1])
        await parts.step(recordings[0])
        lock.release()
        assert sent(double) == [[recordings[0], recordings[2]]]
        await parts.step(recordings[1])
        assert sent(double)[1] == [recordings[1]]

    run(work)


def test_a_recording_that_is_locked_for_a_moment_is_waited_for(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await wait_all(parts, recordings)
        await end_wait(parts, *recordings)
        lock = await parts.store.run(Store.lock_recording, recordings[1])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(parts.step, recordings[0])
            await anyio.sleep(0.05)
            await parts.store.run(lambda _: lock.release())
        assert sorted(sent(double)[0]) == sorted(recordings)

    run(work)


def test_recordings_that_are_due_together_share_one_job(run: Run, double: ServiceDouble) -> None:
    async def step(parts: Parts, recording: str) -> None:
        # As the meeting service does, which locks each for its step.
        async with recording_locked(parts.store, recording) as locked:
            if locked:
                await parts.step(recording)

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 6)
        await wait_all(parts, recordings)
        await end_wait(parts, *recordings)
        async with anyio.create_task_group() as tasks:
            for recording in recordings:
                tasks.start_soon(step, parts, recording)
        assert sorted(sent(double)[0]) == sorted(recordings)

    run(work)


def test_a_job_has_no_more_files_than_the_service_accepts(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.groups._MOST_FILES", 3)
    chunks = (Chunk(0, 800), Chunk(800, 800))

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await parts.change(recordings[1], chunks=chunks)
        await wait_all(parts, recordings)
        await end_wait(parts, recordings[0])
        await parts.step(recordings[0])
        assert sent(double) == [[recordings[0], recordings[1], recordings[1]]]

    run(work)


def test_the_chunks_of_a_recording_are_merged_and_its_failed_ones_repeated(
    run: Run, double: ServiceDouble
) -> None:
    chunks = (Chunk(0, 800), Chunk(800, 800))

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await parts.change(recordings[1], chunks=chunks)
        await wait_all(parts, recordings)
        second = f"{recordings[1]}.500000."
        double.failures = {second: "Transient"}
        await end_wait(parts, recordings[0])
        await parts.step(recordings[0])
        double.finish(double.submitted[0])
        double.failures = {}
        states = [await parts.step(recording) for recording in recordings]
        assert states == [JobState.COMPLETED, JobState.PROCESSING, JobState.COMPLETED]
        await parts.step(recordings[1])
        await end_wait(parts, recordings[1])
        await parts.step(recordings[1])
        double.finish(double.submitted[1])
        assert await finish(parts, recordings[1]) is JobState.COMPLETED
        transcript = await parts.store.run(Store.transcript, recordings[1])
        assert [u.text for u in transcript.utterances] == ["A double heard 0.050 seconds."] * 2
        assert transcript.provenance.notes == ()

    run(work)


@pytest.mark.parametrize("answer", ["drop", PlainTextResponse("busy", 503)])
def test_a_lost_answer_creates_no_second_job(run: Run, double: ServiceDouble, answer: Any) -> None:
    """As a process that dies between request and answer leaves it."""
    double.faults = [Fault(r"POST .*submit", answer), Fault(r"GET .*transcriptions$", "drop", 9)]

    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        await wait_all(parts, recordings)
        await end_wait(parts, recordings[0])
        with pytest.raises(UnavailableError):
            await parts.step(recordings[0])
        submissions = {(await parts.progress(recording)).submission for recording in recordings}
        assert len(submissions - {""}) == len(submissions) == 1
        double.faults = []
        await parts.step(recordings[1])
        progress = [await parts.progress(recording) for recording in recordings]
        assert {found.stage for found in progress} == {BatchStage.SUBMITTED}
        assert len({found.job_url for found in progress}) == 1
        double.finish(double.submitted[0])
        for number, recording in enumerate(recordings):
            assert await finish(parts, recording) is JobState.COMPLETED
            assert await text(parts, recording) == expected(number)
        assert sent(double) == [recordings]

    run(work)


def test_a_recovery_submits_nothing_without_the_locks_of_all(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speech_adapters.backends.batch.groups._LOCK_PAUSE_SECONDS", 0.0)

    async def work(parts: Parts) -> None:
        recordings = await share(parts, 3)
        double.jobs.clear()
        for recording in recordings:  # as before the request
            await parts.change(recording, stage=BatchStage.SUBMITTING, job_url="", shared=())
        lock = await parts.store.run(Store.lock_recording, recordings[2])
        await parts.step(recordings[0])
        assert double.jobs == {}
        lock.release()
        await parts.step(recordings[1])
        assert sent(double) == [recordings], "in the same order"

    run(work)


def test_a_recovery_is_left_to_the_process_that_has_begun_it(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await share(parts, 2)
        progress = await parts.progress(recordings[0])
        await parts.change(recordings[0], stage=BatchStage.SUBMITTING, job_url="")
        double.requests.clear()
        name = f"submission {progress.submission}"
        with await parts.store.run(Store.lock_recording, name):
            await parts.step(recordings[0])
        assert double.requests == []

    run(work)


def test_a_refused_job_of_several_is_submitted_in_parts(run: Run, double: ServiceDouble) -> None:
    double.faults = [Fault(r"POST .*submit", REFUSED)]

    async def work(parts: Parts) -> None:
        recordings = await share(parts, 3)
        double.faults = []
        for recording in recordings:
            await parts.step(recording)
        assert sent(double) == [[recording] for recording in recordings]

    run(work)


def test_a_recording_that_spoils_its_job_spoils_no_other(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recordings = await record_all(parts, 3)
        double.spoiled = recordings[1]
        await wait_all(parts, recordings)
        await end_wait(parts, recordings[0])
        await parts.step(recordings[0])
        double.finish(double.submitted[0])
        for recording in recordings:
            assert await parts.step(recording) is JobState.PROCESSING
            await parts.step(recording)
        for job in double.submitted[1:]:
            double.finish(job)
        states = [await finish(parts, recording) for recording in recordings]
        assert states == [JobState.COMPLETED, JobState.FAILED, JobState.COMPLETED]
        assert "failed as a whole" in (await parts.get(recordings[1])).reason

    run(work)
    assert len(double.submitted) == 4


def test_a_recording_that_its_job_does_not_have_is_submitted_alone(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recordings = await share(parts, 3)
        del double.jobs[double.submitted[0]].body["contentUrls"][1]
        double.finish(double.submitted[0])
        states = [await parts.step(recording) for recording in recordings]
        assert states == [JobState.COMPLETED, JobState.PROCESSING, JobState.COMPLETED]
        await parts.step(recordings[1])
        double.finish(double.submitted[1])
        assert await finish(parts, recordings[1]) is JobState.COMPLETED
        assert await text(parts, recordings[1]) == expected(1)

    run(work)


def test_a_damaged_result_of_another_recording_is_no_obstacle(
    run: Run, double: ServiceDouble
) -> None:
    double.counting = "reversed"

    async def work(parts: Parts) -> None:
        recordings = await share(parts, 3)
        double.finish(double.submitted[0])
        double.faults = [Fault("contenturl_0", PlainTextResponse("{"))]
        assert await parts.step(recordings[0]) is JobState.COMPLETED
        assert await text(parts, recordings[0]) == expected(0)
        with pytest.raises(BackendError, match="no readable result"):
            await parts.step(recordings[2])
        assert await finish(parts, recordings[2]) is JobState.COMPLETED

    run(work)


def test_a_result_that_is_listed_late_is_read_later(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recordings = await share(parts, 2)
        double.finish(double.submitted[0])
        empty = JSONResponse({"values": []})
        double.faults = [Fault("files$", empty)]
        with pytest.raises(BackendError, match="no readable result"):
            await parts.step(recordings[0])
        for number, recording in enumerate(recordings):
            assert await finish(parts, recording) is JobState.COMPLETED
            assert await text(parts, recording) == expected(number)

    run(work)
