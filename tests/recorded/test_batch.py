"""A job from submission to deletion, for each version of the service, from cassettes."""

from __future__ import annotations

import base64
import io
import wave

import anyio
import pytest

from double.service import KEY
from speech_adapters.azure.http import KeyAuth, RejectedError, ServiceClient
from speech_adapters.backends.batch.api import Api, Job, Submission
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.results import JobFailedError, fetch_transcript
from speech_adapters.errors import AuthenticationError
from speech_adapters.transcript import Provenance, Transcript

pytestmark = pytest.mark.vcr
ORIGIN = Provenance("batch", "cassette")


def sound(channels: int = 1) -> str:
    """Return a tenth of a second of sound as a ``data:`` address."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(b"\x01\x00" * 800 * channels)
    return f"data:audio/wav;base64,{base64.b64encode(data.getvalue()).decode()}"


def submission(url: str, speakers: int = 2) -> Submission:
    return Submission("weekly 'standup'", "f" * 32, (url,), "en-US", speakers, False, 48)


def client(service: str, version: str = "2025-10-15", key: str = KEY) -> BatchClient:
    return BatchClient(ServiceClient(f"{service}/speechtotext", KeyAuth(key)), Api(version))


async def finished(batch: BatchClient, url: str) -> Job:
    while True:
        job, _ = await batch.get(url)
        assert job is not None
        if job.final:
            return job


@pytest.mark.parametrize("version", ["2025-10-15", "2024-11-15", "v3.2"])
def test_submit_poll_result(service: str, version: str) -> None:
    async def work() -> Transcript:
        batch = client(service, version)
        made = await batch.submit(submission(sound()))
        (found,) = await batch.find("weekly 'standup'")
        assert found.url == made.url
        transcript = await fetch_transcript(batch, await finished(batch, made.url), "m", ORIGIN)
        assert await batch.delete(made.url)
        assert await batch.get(made.url) == (None, 0.0)
        await batch.aclose()
        return transcript

    (utterance,) = anyio.run(work).utterances
    assert utterance.text == "A double heard 0.100 seconds."
    assert utterance.speaker == 0


def test_stereo_fails_with_the_reports_reason(service: str) -> None:
    async def work() -> None:
        batch = client(service)
        made = await batch.submit(submission(sound(channels=2)))
        job = await finished(batch, made.url)
        try:
            await fetch_transcript(batch, job, "m", ORIGIN)
        finally:
            await batch.aclose()

    with pytest.raises(JobFailedError, match="The recordings URI contains invalid data"):
        anyio.run(work)


@pytest.mark.parametrize(
    ("key", "speakers", "kind"),
    [("wrong", 2, AuthenticationError), (KEY, 36, RejectedError)],
    ids=["key", "speakers"],
)
def test_refusals(service: str, key: str, speakers: int, kind: type[Exception]) -> None:
    async def work() -> None:
        batch = client(service, key=key)
        try:
            await batch.submit(submission(sound(), speakers))
        finally:
            await batch.aclose()

    with pytest.raises(kind, match=r"\(request id request-1\)"):
        anyio.run(work)
