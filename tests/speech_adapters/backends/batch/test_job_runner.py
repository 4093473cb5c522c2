"""Each step of a recording, and the points at which a process may stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from double.batch_parts import Parts
from double.service import ServiceDouble
from speech_adapters import JobState
from speech_adapters.backends.batch.progress import BatchStage
from speech_adapters.store import Store

Run = Callable[..., Any]


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
