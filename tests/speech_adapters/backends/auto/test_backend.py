from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from starlette.responses import JSONResponse

from double.meetings import fetch, use
from double.service import KEY, Fault, ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode, PcmFormat, Transcript, threads
from speech_adapters.errors import ConfigurationError, MeetingNotFoundError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store

SOUND = b"\x01\x00" * 32_000  # two seconds of one channel


@pytest.fixture
def properties(tmp_path: Path, storage: str, double: ServiceDouble) -> dict[str, str]:
    return {
        "backend": "auto",
        "state_dir": str(tmp_path / "state"),
        "service.endpoint": double.url,
        "service.key": KEY,
        "backends.batch.storage_connection_string": storage,
        "backends.batch.poll_seconds": "0",
    }


def whole(properties: dict[str, str], pcm: PcmFormat) -> Transcript:
    async def record(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED, audio=pcm))
        await session.push(SOUND)
        await session.finish()
        await session.aclose()

    use(properties, record)
    return use(properties, fetch)


@pytest.mark.parametrize(
    ("changes", "channels", "chosen"),
    [
        ({}, 1, "fast"),
        ({}, 8, "fast"),
        ({"auto.fast_minutes": str(1.9 / 60)}, 1, "batch"),
        ({"auto.fast_minutes": str(2.0 / 60)}, 1, "fast"),
        ({"auto.fast_megabytes": "0.063"}, 1, "batch"),
        ({"auto.fast_megabytes": "0.063"}, 2, "fast"),
        ({"batch.channels": "split"}, 2, "batch"),
        ({"batch.channels": "split"}, 1, "fast"),
    ],
)
def test_which_backend_transcribes(
    properties: dict[str, str],
    double: ServiceDouble,
    changes: dict[str, str],
    channels: int,
    chosen: str,
) -> None:
    changed = {f"backends.{name}": value for name, value in changes.items()}
    transcript = whole({**properties, **changed}, PcmFormat(channels=channels))
    assert transcript.provenance.backend == chosen
    assert len(transcript.utterances) >= 1
    assert (len(double.definitions), len(double.submitted)) == (
        (1, 0) if chosen == "fast" else (0, 1)
    )


@pytest.mark.parametrize(
    "refusal",
    [
        JSONResponse({"code": "InvalidRequest", "message": "too large"}, 413),
        JSONResponse({"error": {"code": "AudioLengthLimitExceeded", "message": "long"}}, 400),
    ],
)
def test_what_fast_refuses_as_too_large_is_assigned_to_batch(
    properties: dict[str, str], double: ServiceDouble, refusal: JSONResponse
) -> None:
    double.faults = [Fault(":transcribe", refusal)]
    assert whole(properties, PcmFormat()).provenance.backend == "batch"
    assert len(double.submitted) == 1


def test_audio_at_addresses_is_assigned_to_batch(
    properties: dict[str, str], double: ServiceDouble
) -> None:
    address = "https://127.0.0.1/a.wav"

    async def work(meetings: MeetingService) -> None:
        request = MeetingRequest("m", mode=Mode.STORED, addresses=(address,))
        session = await meetings.open_session(request)
        await session.finish()
        await session.aclose()

    use(properties, work)
    (job,) = double.jobs.values()
    assert job.body["contentUrls"] == [address]


def test_it_needs_what_both_need(properties: dict[str, str]) -> None:
    lacking = {**properties, "backends.batch.storage_connection_string": ""}
    with pytest.raises(ConfigurationError, match=r"backends.batch.storage_connection_string"):
        use(lacking, lambda meetings: threads.COMPUTE.run(meetings.backend))


def test_the_service_goes_on_at_once_with_the_chosen_backend(
    properties: dict[str, str], double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> Recording:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
        assert (await meetings.store.run(Store.newest, "m")).backend == "auto"
        await session.push(SOUND)
        await session.finish()
        await session.aclose()
        return await meetings.store.run(Store.newest, "m")

    recording = use(properties, work)
    assert (recording.backend, recording.fallback) == ("fast", "batch")
    assert recording.state is JobState.COMPLETED, "without a status query"


def test_a_meeting_of_another_machine_is_queried_at_the_batch_service(
    properties: dict[str, str], double: ServiceDouble, tmp_path: Path
) -> None:
    elsewhere = {**properties, "state_dir": str(tmp_path / "elsewhere")}
    double.polls = 0
    whole({**properties, "backends.auto.fast_minutes": "0"}, PcmFormat())

    async def work(meetings: MeetingService) -> None:
        assert (await meetings.status("m")).state is JobState.COMPLETED
        assert (await meetings.resume("m")).state is JobState.COMPLETED
        # Its audio was deleted with the result, which was read before.
        assert (await meetings.transcript("m")).provenance.backend == "batch"
        await meetings.delete("m")
        with pytest.raises(MeetingNotFoundError, match="nor at the service"):
            await meetings.status("m")

    use(elsewhere, work)
    assert double.jobs == {}


def test_it_describes_both_backends(properties: dict[str, str]) -> None:
    async def work(meetings: MeetingService) -> None:
        backend = meetings.backend()
        assert backend.name == "auto"
        assert backend.provenance.version == (
            "Azure fast transcription 2025-10-15 or Azure batch transcription 2025-10-15"
        )
        batch = meetings.backend("batch").capabilities
        # Either backend may get the recording, and fast has no dictation.
        assert batch.settings == {"profanity", "dictation"}
        assert backend.capabilities == attrs.evolve(batch, settings=frozenset({"profanity"}))

    use(properties, work)


@pytest.mark.parametrize("name", ["fast", "batch"])
def test_a_wrong_option_of_either_is_an_error_at_construction(
    properties: dict[str, str], name: str
) -> None:
    wrong = {**properties, f"backends.{name}.max_speakers": "36"}

    async def work(meetings: MeetingService) -> None:
        with pytest.raises(ConfigurationError, match=f"option of backend '{name}'"):
            meetings.backend()

    use(wrong, work)


def test_a_replaced_batch_backend_must_process_recordings(properties: dict[str, str]) -> None:
    class Other:
        """A backend that keeps its meetings by itself."""

    async def work(meetings: MeetingService) -> None:
        meetings._backends["batch"] = cast(Any, Other())
        with pytest.raises(ConfigurationError, match="Other does not"):
            meetings.backend()
        del meetings._backends["batch"]

    use(properties, work)
