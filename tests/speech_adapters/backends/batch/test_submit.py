"""Submitting a job, once, whatever a process that stopped has left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from double.batch_parts import Parts
from double.service import Fault, ServiceDouble
from speech_adapters import Attendee, JobState, Transcript
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import BatchProgress, BatchStage
from speech_adapters.errors import UnavailableError
from speech_adapters.store import Store

Run = Callable[..., Any]


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


def test_a_new_attempt_has_a_job_of_its_own(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> str:
        recording = await parts.record()
        await parts.change(recording, attempt=2)
        await parts.step(recording)
        return recording

    recording = run(work)
    (job,) = double.jobs.values()
    assert job.body["customProperties"] == {"speechCompatRecording": f"{recording}.2"}


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
