from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import JSONResponse

from double.batch_parts import ORIGIN, Parts
from double.service import Fault, ServiceDouble
from speech_adapters import JobState, Transcript, isolated
from speech_adapters.backends.batch.api import Job
from speech_adapters.backends.batch.chunks import Chunk
from speech_adapters.backends.batch.results import JobFailedError, fetch_transcript
from speech_adapters.errors import BackendError
from speech_adapters.store import Store

Run = Callable[..., Any]
CHUNKS = (Chunk(0, 8_000), Chunk(8_000, 8_000))


async def finished(parts: Parts, double: ServiceDouble, **changes: Any) -> tuple[str, Job]:
    """Return a recording whose job is final, and the job."""
    recording = await parts.record()
    await parts.change(recording, **changes)
    await parts.step(recording)
    double.finish(double.submitted[-1])
    job, _ = await parts.client.get((await parts.progress(recording)).job_url)
    assert job is not None
    return recording, job


def test_the_results_of_all_chunks_are_merged(run: Run, double: ServiceDouble) -> None:
    async def work(parts: Parts) -> Transcript:
        _, job = await finished(parts, double, chunks=CHUNKS)
        return await fetch_transcript(parts.client, job, "m", ORIGIN)

    transcript = run(work)
    assert [u.offset for u in transcript.utterances] == [1_000_000, 6_000_000]
    assert [u.speaker for u in transcript.utterances] == [0, 1]
    assert transcript.duration == 10_000_000


@pytest.mark.parametrize("chunks", [(), CHUNKS])
def test_a_large_result_is_stored_by_a_child_process(
    run: Run, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch, chunks: tuple[Chunk, ...]
) -> None:
    monkeypatch.setattr(isolated, "LARGE_BYTES", 0)
    # Only in this process: the child must not need it.
    monkeypatch.setattr("speech_adapters.backends.batch.results.read_transcript", None)

    async def work(parts: Parts) -> Transcript:
        recording, _ = await finished(parts, double, chunks=chunks)
        assert await parts.step(recording) is JobState.COMPLETED
        return await parts.store.run(Store.transcript, recording)

    transcript = run(work)
    assert transcript.duration == 10_000_000
    assert len(transcript.utterances) == max(len(chunks), 1)


def test_what_succeeded_is_kept_and_what_failed_is_noted(run: Run, double: ServiceDouble) -> None:
    double.failures = {".0.all.wav": "Unusual"}

    async def work(parts: Parts) -> Transcript:
        _, job = await finished(parts, double, chunks=CHUNKS)
        return await fetch_transcript(parts.client, job, "m", ORIGIN)

    transcript = run(work)
    assert [u.offset for u in transcript.utterances] == [6_000_000], "at its place"
    (note,) = transcript.provenance.notes
    assert note.startswith("The part that starts at 0:00:00 was not transcribed: Unusual: ")
    outcome = double.jobs[double.submitted[0]].outcome
    assert outcome is not None
    assert "sig=" in outcome[0]["details"][0]["errorMessage"]
    assert "&sig=" not in note


def test_a_job_that_failed_for_every_file_has_failed(run: Run, double: ServiceDouble) -> None:
    double.failures = {".wav": "Unusual"}

    async def work(parts: Parts) -> None:
        _, job = await finished(parts, double, chunks=CHUNKS)
        await fetch_transcript(parts.client, job, "m", ORIGIN)

    with pytest.raises(JobFailedError, match=r"failed: Unusual: The double failed for http"):
        run(work)


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"properties": {"error": {"code": "Quota", "message": "used up"}}}, "Quota: used up"),
        ({}, "the service returned neither result nor reason"),
    ],
)
def test_without_files_the_jobs_own_reason_counts(
    run: Run, job: dict[str, Any], reason: str
) -> None:
    failed = Job.model_validate({"self": "https://host/1", "status": "Failed", **job})
    with pytest.raises(JobFailedError, match=reason):
        run(lambda parts: fetch_transcript(parts.client, failed, "m", ORIGIN))


def test_a_file_of_several_that_is_no_result_is_an_error(run: Run, double: ServiceDouble) -> None:
    double.faults = [Fault("_1.json", JSONResponse([]))]

    async def work(parts: Parts) -> None:
        _, job = await finished(parts, double, chunks=CHUNKS)
        await fetch_transcript(parts.client, job, "m", ORIGIN)

    with pytest.raises(BackendError, match="The service's result is no transcription result"):
        run(work)
