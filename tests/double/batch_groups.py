"""Recordings of a group that share a job of the batch backend, on the doubles."""

from __future__ import annotations

import re
from typing import Any

from double.batch_parts import Parts
from double.service import ServiceDouble
from speech_adapters import JobState
from speech_adapters.backends.batch.progress import BatchStage
from speech_adapters.store import Store

__all__ = ["end_wait", "expected", "finish", "record_all", "sent", "share", "text", "wait_all"]


async def record_all(parts: Parts, count: int, **request: Any) -> list[str]:
    """Record meetings of one group, each with audio of another length."""
    more = {"group": "g", **request}
    return [
        await parts.record(b"\x01\x00" * 1_600 * (n + 1), f"m{n}", **more) for n in range(count)
    ]


async def wait_all(parts: Parts, recordings: list[str]) -> None:
    """Upload all of them, without a job: they wait."""
    for recording in recordings:
        await parts.step(recording)
        assert (await parts.progress(recording)).stage is BatchStage.UPLOADED


async def end_wait(parts: Parts, *recordings: str) -> None:
    for recording in recordings:
        await parts.change(recording, waiting_since=1.0)


async def share(parts: Parts, count: int, **request: Any) -> list[str]:
    """Return recordings that share a job."""
    recordings = await record_all(parts, count, **request)
    await wait_all(parts, recordings)
    await end_wait(parts, recordings[0])
    await parts.step(recordings[0])
    return recordings


def sent(double: ServiceDouble) -> list[list[str]]:
    """Return the recordings whose audio each job has."""
    return [
        [re.findall(r"/([0-9a-f]{32})\.", url)[0] for url in double.jobs[key].body["contentUrls"]]
        for key in double.submitted
        if key in double.jobs
    ]


async def text(parts: Parts, recording: str) -> str:
    transcript = await parts.store.run(Store.transcript, recording)
    (utterance,) = transcript.utterances
    return utterance.text


def expected(number: int) -> str:
    return f"A double heard {(number + 1) / 10:.3f} seconds."


async def finish(parts: Parts, recording: str) -> JobState:
    for _ in range(20):
        state = await parts.step(recording)
        if state.final:
            return state
    raise AssertionError("it never ended")
