"""Each step of a recording, and the points at which a process may stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from double.batch_parts import Parts, requests_for
from double.service import Fault, ServiceDouble
from speech_adapters import Attendee, JobState, Transcript
from speech_adapters.backends.batch.api import Job, Submission
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import BatchProgress, BatchStage
from speech_adapters.errors import AuthenticationError, UnavailableError
from speech_adapters.store import Store

Run = Callable[..., Any]
JOBS = r"GET .*/transcriptions$"
JOB = r"GET .*/transcriptions/[^/]+$"


def test_a_recording_is_uploaded_and_submitted_then_polled(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        assert await parts.step(recording) is JobState.PROCESSING
        progress = await parts.progress(recording)
        assert progress.stage is BatchStage.SUBMITTED
        assert progress.job_url.endswith(f"{double.submitted[0]}?api-version=2025-10-15")
        assert progress.submitted_at == pytest.approx(time.time(), abs=60)
        assert parts.blobs(recording) == [f"{recording}.0.all.wav"]
        assert await parts.step(recording) is JobState.PROCESSING
        assert (await parts.get(recording)).step == "being transcribed at the service for 0 min"
        assert await parts.step(recording) is JobState.COMPLETED
        assert parts.blobs(recording) == []
        assert not (await parts.get(recording)).audio_path.exists()
        assert (await parts.progress(recording)).chunks == (), "the cleanup needs no storage"

    run(work)


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


def test_a_job_whose_address_was_not_stored_is_found_again(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        submitted = await parts.progress(recording)
        await parts.change(recording, stage=BatchStage.SUBMITTING, job_url="")
        await parts.step(recording)
        assert (await parts.progress(recording)).job_url.partition("?")[0] == (
            submitted.job_url.partition("?")[0]
        )

    run(work)
    assert len(double.submitted) == 1


@pytest.mark.parametrize("stage", [BatchStage.UPLOADED, BatchStage.SUBMITTING])
def test_what_is_uploaded_is_submitted_without_another_upload(
    run: Run, double: ServiceDouble, stage: BatchStage
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        uploaded = await parts.uploader.upload(
            await parts.get(recording), await parts.progress(recording)
        )
        assert uploaded is not None
        assert uploaded.stage is BatchStage.UPLOADED
        await parts.change(recording, stage=stage, chunks=uploaded.chunks)
        # An upload would fail now.
        (await parts.get(recording)).audio_path.unlink()
        await parts.step(recording)
        assert (await parts.progress(recording)).stage is BatchStage.SUBMITTED

    run(work)
    assert len(double.submitted) == 1


def test_audio_at_addresses_is_submitted_without_an_upload(run: Run, double: ServiceDouble) -> None:
    address = "https://127.0.0.1/a.wav?sig=x"

    async def work(parts: Parts) -> BatchProgress:
        recording = await parts.record(b"")
        await parts.change(recording, addresses=(address,))
        await parts.step(recording)
        return await parts.progress(recording)

    progress = run(work)
    assert double.jobs[double.submitted[0]].body["contentUrls"] == [address]
    assert progress.addresses == (), "it may be signed"


def test_a_lost_answer_does_not_create_a_second_job(run: Run, double: ServiceDouble) -> None:
    double.faults = [Fault(r"POST .*submit", "drop")]

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        assert (await parts.progress(recording)).stage is BatchStage.SUBMITTED

    run(work)
    assert len(double.submitted) == 1


def test_a_submission_that_did_not_reach_the_service_is_tried_again(
    run: Run, double: ServiceDouble
) -> None:
    double.faults = [Fault(r"POST .*submit", PlainTextResponse("busy", 503))]

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        with pytest.raises(UnavailableError):
            await parts.step(recording)
        assert (await parts.progress(recording)).stage is BatchStage.SUBMITTING
        await parts.step(recording)
        assert (await parts.progress(recording)).stage is BatchStage.SUBMITTED

    run(work)
    assert len(double.submitted) == 1


def test_a_meeting_deleted_before_the_submission_is_not_submitted(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record(b"")
        await parts.change(recording, stage=BatchStage.UPLOADED)
        before = await parts.get(recording)
        await parts.store.run(Store.delete, recording)
        await parts.runner.step(before)

    run(work)
    assert double.requests == []


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
        assert not await parts.runner.discard(deleted), "the job is running"
        assert parts.blobs(recording) == []
        double.finish(double.submitted[0])
        assert await parts.runner.discard(deleted)
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
        assert await parts.runner.discard(await parts.get(recording))

    run(work)
    assert list(double.jobs) == [double.submitted[1]], "only the recording's own job"


def test_nothing_was_submitted_by_a_process_that_stopped_before(
    run: Run, double: ServiceDouble
) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.change(recording, stage=BatchStage.SUBMITTING)
        assert await parts.runner.discard(await parts.get(recording))

    run(work)


def test_jobs_that_an_earlier_version_left_are_discarded(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        double.finish(double.submitted[0])
        url = (await parts.progress(recording)).job_url
        await parts.change(recording, job_url="", undeleted=(url,))
        assert await parts.runner.discard(await parts.get(recording))

    run(work)
    assert double.jobs == {}


def test_a_service_that_refuses_to_delete_is_an_error(run: Run, double: ServiceDouble) -> None:
    double.faults = [Fault("DELETE", PlainTextResponse("no", 403))]

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        with pytest.raises(AuthenticationError):
            await parts.runner.discard(await parts.get(recording))

    run(work)


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


def test_a_new_attempt_has_a_job_of_its_own(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> str:
        recording = await parts.record()
        await parts.change(recording, attempt=2)
        await parts.step(recording)
        return recording

    recording = run(work)
    (job,) = double.jobs.values()
    assert job.body["customProperties"] == {"speechCompatRecording": f"{recording}.2"}


def test_a_meeting_resumed_after_the_deadline_has_the_whole_time_again(
    run: Run, double: ServiceDouble
) -> None:
    double.polls = None

    async def work(parts: Parts) -> None:
        recording = await parts.record()
        await parts.step(recording)
        await parts.change(recording, submitted_at=time.time() - 2 * 3600)
        assert await parts.step(recording) is JobState.FAILED
        await parts.store.run(Store.resume, recording)
        assert await parts.step(recording) is JobState.PROCESSING
        again = (await parts.progress(recording)).submitted_at
        assert again == pytest.approx(time.time(), abs=60)
        assert (await parts.get(recording)).step == "being transcribed at the service for 0 min"

    run(work, deadline_hours=1)
    assert len(double.submitted) == 1


@pytest.mark.parametrize(("hours", "warnings"), [(0.9, 0), (1.1, 1)])
def test_a_job_that_takes_long_causes_one_warning(
    run: Run,
    double: ServiceDouble,
    caplog: pytest.LogCaptureFixture,
    hours: float,
    warnings: int,
) -> None:
    double.polls = None

    async def work(parts: Parts) -> str:
        recording = await parts.record()
        await parts.step(recording)
        await parts.change(recording, submitted_at=time.time() - hours * 3600)
        await parts.step(recording)
        await parts.step(recording)
        return (await parts.get(recording)).step

    with caplog.at_level(logging.WARNING, "speech_adapters"):
        step = run(work, warn_hours=1.0, deadline_hours=0)
    assert step.endswith(" for 54 min" if hours < 1 else " for 1.1 h")
    assert len([r for r in caplog.records if "most take less than" in r.message]) == warnings


def test_a_job_in_the_queue_is_described_as_waiting(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(double, "_moved", lambda job: job)  # it stays NotStarted

    async def work(parts: Parts) -> str:
        recording = await parts.record()
        await parts.step(recording)
        await parts.step(recording)
        return (await parts.get(recording)).step

    assert run(work) == "waiting in the queue at the service for 0 min"


@pytest.mark.parametrize("asked", [None, 5])
def test_the_largest_number_of_speakers_is_the_requests_or_the_options(
    run: Run, double: ServiceDouble, asked: int | None
) -> None:
    async def work(parts: Parts) -> None:
        await parts.step(await parts.record(max_speakers=asked, word_timestamps=True))

    run(work, max_speakers=7)
    properties = double.jobs[double.submitted[0]].body["properties"]
    assert properties["diarization"] == {"enabled": True, "maxSpeakers": asked or 7}
    assert properties["wordLevelTimestampsEnabled"] is True


def test_all_participants_of_a_meeting_are_distinguished(run: Run, double: ServiceDouble) -> None:
    people = tuple(Attendee(f"user{n}") for n in range(5))

    async def work(parts: Parts) -> Transcript:
        recording = await parts.record(attendees=people)
        # As cut: the notes must survive the merging of chunks too.
        await parts.change(recording, chunks=(Chunk(0, 8_000), Chunk(8_000, 8_000)))
        await parts.step(recording)
        double.finish(double.submitted[0])
        assert await parts.step(recording) is JobState.COMPLETED
        return await parts.store.run(Store.transcript, recording)

    sent, cut = run(work).provenance.emulated
    assert "at most 5 were distinguished" in sent
    assert "2 parts" in cut
    properties = double.jobs[double.submitted[0]].body["properties"]
    assert properties["diarization"] == {"enabled": True, "maxSpeakers": 5}


@pytest.mark.parametrize(
    ("settings", "options", "sent"),
    [
        ({}, {}, {}),
        ({"profanity": "raw"}, {}, {"profanityFilterMode": "None"}),
        ({"profanity": "Masked"}, {}, {"profanityFilterMode": "Masked"}),
        ({"dictation": "DICTATION"}, {}, {"punctuationMode": "DictatedAndAutomatic"}),
        (
            {"dictation": "DICTATION"},
            {"punctuation": "Automatic"},
            {"punctuationMode": "Automatic"},
        ),
    ],
)
def test_wishes_about_the_text_reach_the_service(
    run: Run,
    double: ServiceDouble,
    settings: dict[str, str],
    options: dict[str, str],
    sent: dict[str, str],
) -> None:
    languages = (("de-DE", ""), ("fr-FR", ""))
    model = "https://host/speechtotext/models/1"

    async def work(parts: Parts) -> None:
        await parts.step(await parts.record(settings=settings, languages=languages))

    run(work, model=model, **options)
    body = double.jobs[double.submitted[0]].body
    assert body["model"] == {"self": model}
    wishes = {"profanityFilterMode", "punctuationMode"} & body["properties"].keys()
    assert {name: body["properties"][name] for name in wishes} == sent
    assert body["properties"]["languageIdentification"] == {"candidateLocales": ["de-DE", "fr-FR"]}
