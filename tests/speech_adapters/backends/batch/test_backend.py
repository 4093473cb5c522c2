"""A meeting on its way through the batch service, and at the service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from double.meetings import Properties, fetch, record, use, whole
from double.service import ServiceDouble
from speech_adapters import JobState, MeetingRequest
from speech_adapters.errors import (
    ConfigurationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    UnsupportedError,
)
from speech_adapters.meetings import MeetingService


def test_a_meeting_is_recorded_submitted_and_completed(
    properties: Properties, double: ServiceDouble
) -> None:
    transcript = use(properties(), whole)
    assert [u.text for u in transcript.utterances] == ["A double heard 1.000 seconds."]
    assert transcript.provenance.version == "Azure batch transcription 2025-10-15"
    assert len(double.submitted) == 1
    body = double.jobs[double.submitted[0]].body
    assert body["displayName"] == "m"
    assert body["properties"]["diarization"] == {"enabled": True, "maxSpeakers": 10}
    state = Path(properties()["state_dir"])
    assert not any(state.rglob("*.pcm"))


def test_a_meeting_is_found_without_any_local_state(
    properties: Properties, double: ServiceDouble, tmp_path: Path
) -> None:
    use(properties(), lambda meetings: record(meetings, "it's 'quoted' 🎉"))
    elsewhere = {**properties(), "state_dir": str(tmp_path / "elsewhere")}
    transcript = use(elsewhere, lambda meetings: fetch(meetings, "it's 'quoted' 🎉"))
    assert len(transcript.utterances) == 1


def test_of_two_jobs_of_one_id_the_newest_counts(
    properties: Properties, double: ServiceDouble, tmp_path: Path
) -> None:
    use(properties(), record)
    use({**properties(), "state_dir": str(tmp_path / "other")}, record)
    first, second = double.submitted
    assert double.jobs[second].created > double.jobs[first].created
    double.jobs[first].status = "Failed"
    elsewhere = {**properties(), "state_dir": str(tmp_path / "elsewhere")}
    assert len(use(elsewhere, fetch).utterances) == 1


def test_a_meeting_of_another_machine_is_queried_at_the_service(
    properties: Properties, double: ServiceDouble, tmp_path: Path
) -> None:
    """Its status is the job's; without the audio a resumed job stays as it is."""
    double.polls = None
    use(properties(), record)

    async def work(meetings: MeetingService) -> None:
        for question in (meetings.status, meetings.resume):
            assert (await question("m")).state is JobState.PROCESSING
        with pytest.raises(MeetingBusyError, match="not finished yet"):
            await meetings.transcript("m")
        double.jobs[double.submitted[0]].body["contentUrls"] = ["http://127.0.0.1:9/a"]
        double.finish(double.submitted[0], "Failed")
        assert (await meetings.status("m")).state is JobState.FAILED
        with pytest.raises(MeetingFailedError, match="'m' failed: Batch transcription failed: Inv"):
            await meetings.transcript("m")
        await meetings.delete("m")
        questions: list[Callable[[str], Awaitable[object]]] = [
            meetings.status,
            meetings.resume,
            meetings.transcript,
            meetings.delete,
        ]
        for ask in questions:
            with pytest.raises(MeetingNotFoundError, match="nor at the service"):
                await ask("m")

    use({**properties(), "state_dir": str(tmp_path / "elsewhere")}, work)
    assert double.jobs == {}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"endpoint": ""}, r"backends.batch.region or endpoint"),
        ({"key": ""}, r"backends.batch.key or credential"),
        ({"api_version": "v1"}, "api_version: Input should be"),
        ({"max_speakers": "36"}, "max_speakers: Input should be less than or equal to 35"),
    ],
)
def test_a_missing_option_is_named(
    properties: Properties, changes: dict[str, str], complaint: str
) -> None:
    async def work(meetings: MeetingService) -> None:
        meetings.backend()

    with pytest.raises(ConfigurationError, match=complaint):
        use(properties(**changes), work)


def test_audio_needs_a_storage_account(properties: Properties) -> None:
    with pytest.raises(ConfigurationError, match=r"backends.batch.storage_connection_string or"):
        use(properties(storage_connection_string=""), record)


def test_without_live_events_a_live_meeting_is_refused(properties: Properties) -> None:
    with pytest.raises(UnsupportedError, match="emits no live events"):
        use(properties(), lambda meetings: meetings.open_session(MeetingRequest("m")))
