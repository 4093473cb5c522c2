"""Recordings of which the service transcribes some parts only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from double.batch_parts import Parts
from double.meetings import Properties, fetch, use
from double.service import Fault, ServiceDouble
from speech_adapters import JobState, Transcript
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.progress import load_progress
from speech_adapters.backends.batch.upload import Uploader
from speech_adapters.errors import UnavailableError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

Run = Callable[..., Any]
# Half a second each; the blob of the second is named after its start in ticks.
CHUNKS = (Chunk(0, 8_000), Chunk(8_000, 8_000))
SECOND = ".5000000.all.wav"


async def recorded(parts: Parts) -> str:
    recording = await parts.record()
    await parts.change(recording, chunks=CHUNKS)
    return recording


async def step_to_the_end(
    parts: Parts, recording: str, double: ServiceDouble, *, repaired_after: int = 99
) -> JobState:
    """Process a recording; the audio becomes readable after some jobs."""
    while True:
        if len(double.submitted) >= repaired_after:
            double.failures = {}
        state = await parts.step(recording)
        if state is not JobState.PROCESSING:
            return state


def parts_of(double: ServiceDouble) -> list[list[str]]:
    """Return the starts of the chunks in each job."""
    return [
        [url.split(".wav")[0].rsplit(".", 2)[1] for url in double.jobs[key].body["contentUrls"]]
        for key in double.submitted
    ]


@pytest.mark.parametrize("kind", ["Internal", "Timeout", "Transient", "InvalidUri"])
def test_only_the_parts_with_a_transient_error_are_repeated(
    run: Run, double: ServiceDouble, kind: str
) -> None:
    double.failures = {SECOND: kind}

    async def work(parts: Parts) -> Transcript:
        recording = await recorded(parts)
        state = await step_to_the_end(parts, recording, double, repaired_after=1)
        assert state is JobState.COMPLETED
        assert parts.blobs(recording) == []
        return await parts.store.run(Store.transcript, recording)

    transcript = run(work)
    assert [u.offset for u in transcript.utterances] == [1_000_000, 6_000_000]
    assert transcript.provenance.notes == ()
    assert parts_of(double) == [["0", "5000000"], ["5000000"]]


@pytest.mark.parametrize(("kind", "jobs"), [("Transient", 3), ("Permanent", 1)])
def test_transient_errors_are_repeated_a_limited_number_of_times(
    run: Run, double: ServiceDouble, kind: str, jobs: int
) -> None:
    double.failures = {".wav": kind}

    async def work(parts: Parts) -> JobState:
        return await step_to_the_end(parts, await recorded(parts), double)

    assert run(work) is JobState.FAILED
    assert len(double.submitted) == jobs


def test_a_missing_part_is_noted_and_only_its_audio_is_kept(
    run: Run, double: ServiceDouble
) -> None:
    double.failures = {SECOND: "Permanent"}

    async def work(parts: Parts) -> None:
        recording = await recorded(parts)
        assert await step_to_the_end(parts, recording, double) is JobState.COMPLETED
        assert not (await parts.get(recording)).audio_path.exists()
        assert parts.blobs(recording) == [f"{recording}{SECOND}"]
        await parts.store.run(Store.delete, recording)
        assert await parts.runner.cleanup.discard(await parts.get(recording))
        assert parts.blobs(recording) == []

    run(work)
    assert double.jobs == {}


def test_missing_parts_can_be_resumed_even_if_the_other_blobs_cannot_be_deleted(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.failures = {SECOND: "Permanent"}

    async def refuse(*_: object) -> None:
        raise UnavailableError("not now")

    async def work(parts: Parts) -> None:
        recording = await recorded(parts)
        monkeypatch.setattr(Uploader, "delete", refuse)
        with pytest.raises(UnavailableError):
            await step_to_the_end(parts, recording, double)
        found = await parts.get(recording)
        assert found.state is JobState.COMPLETED
        assert load_progress(found).pending == (1,)

    run(work)


def test_a_resumed_meeting_sends_only_the_missing_part(
    run: Run, properties: Properties, double: ServiceDouble
) -> None:
    double.failures = {SECOND: "Permanent"}

    async def partly(parts: Parts) -> str:
        recording = await recorded(parts)
        assert await step_to_the_end(parts, recording, double) is JobState.COMPLETED
        return recording

    async def whole(meetings: MeetingService) -> list[Transcript]:
        before = await meetings.transcript("m")
        assert (await meetings.resume("m")).state is JobState.PROCESSING
        meanwhile = await meetings.store.run(Store.transcript, recording)
        assert meanwhile == before, "it stays readable"
        return [before, await fetch(meetings)]

    recording = run(partly)
    double.failures = {}
    before, after = use(properties(), whole)
    (note,) = before.provenance.notes
    assert note.startswith("The part that starts at 0:00:00 was not transcribed: Permanent")
    assert [u.offset for u in before.utterances] == [1_000_000]
    assert after.provenance.notes == ()
    assert [u.offset for u in after.utterances] == [1_000_000, 6_000_000]
    assert parts_of(double) == [["0", "5000000"], ["5000000"]]
    assert run(lambda parts: _blobs(parts, recording)) == []


async def _blobs(parts: Parts, recording: str) -> list[str]:
    return parts.blobs(recording)


def test_a_complete_meeting_is_not_transcribed_again(
    run: Run, properties: Properties, double: ServiceDouble
) -> None:
    async def once(parts: Parts) -> None:
        await step_to_the_end(parts, await recorded(parts), double)

    run(once)
    status = use(properties(), lambda meetings: meetings.resume("m"))
    assert status.state is JobState.COMPLETED
    assert len(double.submitted) == 1


def test_another_machine_merges_the_jobs_of_a_recording(
    run: Run, properties: Properties, double: ServiceDouble, tmp_path: Path
) -> None:
    double.failures = {SECOND: "Timeout"}

    async def work(parts: Parts) -> None:
        await step_to_the_end(parts, await recorded(parts), double, repaired_after=1)

    run(work)
    elsewhere = {**properties(), "state_dir": str(tmp_path / "elsewhere")}
    transcript = use(elsewhere, fetch)
    assert [u.offset for u in transcript.utterances] == [1_000_000, 6_000_000]
    assert transcript.provenance.notes == ()


def test_results_that_the_service_has_deleted_fail_the_repetition_by_name(
    run: Run, double: ServiceDouble
) -> None:
    double.failures = {SECOND: "Timeout"}

    async def work(parts: Parts) -> str:
        recording = await recorded(parts)
        while len(double.submitted) < 2:
            await parts.step(recording)
        double.failures = {}
        del double.jobs[double.submitted[0]]
        assert await step_to_the_end(parts, recording, double) is JobState.FAILED
        return (await parts.get(recording)).reason

    assert "no longer exist at the service (ttl_hours)" in run(work)


def test_a_missing_part_whose_job_is_refused_can_be_resumed_again(
    run: Run, properties: Properties, double: ServiceDouble
) -> None:
    double.failures = {SECOND: "Permanent"}

    async def partly(parts: Parts) -> None:
        await step_to_the_end(parts, await recorded(parts), double)

    async def twice(meetings: MeetingService) -> Transcript:
        assert (await meetings.resume("m")).state is JobState.FAILED
        assert (await meetings.resume("m")).state is JobState.PROCESSING
        return await fetch(meetings)

    run(partly)
    double.failures = {}
    double.faults = [Fault("POST .*submit", JSONResponse({"code": "Refused"}, 400))]
    # Its audio is in the container only, so it is not uploaded again.
    transcript = use(properties(), twice)
    assert [u.offset for u in transcript.utterances] == [1_000_000, 6_000_000]
    assert parts_of(double) == [["0", "5000000"], ["5000000"]]


def test_a_meeting_whose_missing_part_was_transcribed_is_complete(
    run: Run, properties: Properties, double: ServiceDouble
) -> None:
    double.failures = {SECOND: "Permanent"}

    async def partly(parts: Parts) -> None:
        await step_to_the_end(parts, await recorded(parts), double)

    async def twice(meetings: MeetingService) -> JobState:
        await meetings.resume("m")
        await fetch(meetings)
        return (await meetings.resume("m")).state

    run(partly)
    double.failures = {}
    assert use(properties(), twice) is JobState.COMPLETED
    assert len(double.submitted) == 2
