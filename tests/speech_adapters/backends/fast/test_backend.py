from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from double.meetings import SOUND, record, run
from double.service import KEY, Fault, ServiceDouble
from speech_adapters import Attendee, JobState, MeetingRequest, Mode, isolated
from speech_adapters.config import load_settings
from speech_adapters.contract import MeetingStatus
from speech_adapters.errors import (
    AuthenticationError,
    ConfigurationError,
    MeetingFailedError,
    MeetingNotFoundError,
    StoreError,
    UnavailableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.store import Recording, Store

SEND = r"POST .*:transcribe"


@pytest.fixture
def use(double: ServiceDouble, tmp_path: Path) -> Callable[..., Any]:
    def configured(
        work: Callable[[MeetingService], Awaitable[Any]], key: str = KEY, **options: str
    ) -> Any:
        properties = {
            "backend": "fast",
            "state_dir": str(tmp_path / "state"),
            "backends.fast.endpoint": double.url,
            "backends.fast.key": key,
            "backends.fast.retry_seconds": "0",
            **{f"backends.fast.{name}": value for name, value in options.items()},
        }

        return run(load_settings(properties), work)

    return configured


def test_diarization_is_really_switched_on(use: Callable[..., Any], double: ServiceDouble) -> None:
    async def work(meetings: MeetingService) -> Any:
        await record(meetings, max_speakers=4, language="de-DE")
        return await meetings.transcript("m")

    (utterance,) = use(work).utterances
    assert utterance.speaker == 0
    assert double.definitions == [
        {"locales": ["de-DE"], "diarization": {"enabled": True, "maxSpeakers": 4}}
    ]


def test_diarization_is_off_if_it_is_not_requested(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    use(lambda meetings: record(meetings, differentiate_speakers=False))
    assert double.definitions == [{"locales": ["en-US"]}]


@pytest.mark.parametrize("times", [1, 3])
def test_a_second_attempt_sends_the_audio_whole(
    use: Callable[..., Any], double: ServiceDouble, times: int
) -> None:
    double.faults = [Fault(SEND, PlainTextResponse("busy", 503), times)]

    async def work(meetings: MeetingService) -> Any:
        await record(meetings)
        return await meetings.transcript("m")

    assert use(work).utterances[0].text == "A double heard 1.000 seconds."
    assert double.transcribed_seconds == 1.0


def test_an_error_that_may_pass_keeps_the_meeting_for_later(
    use: Callable[..., Any], double: ServiceDouble, caplog: pytest.LogCaptureFixture
) -> None:
    double.faults = [Fault(SEND, PlainTextResponse("busy", 503), times=5)]

    async def work(meetings: MeetingService) -> JobState:
        await record(meetings)  # no error: everything is stored
        assert "Nothing is lost" in caplog.text
        return (await meetings.status("m")).state

    assert use(work) is JobState.COMPLETED


def test_a_refusal_fails_the_meeting_with_the_services_words(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    words = {"code": "InvalidLocale", "message": "The specified locale is not supported."}
    body = {"code": "InvalidArgument", "message": "outer", "innerError": words}
    double.faults = [Fault(SEND, JSONResponse(body, 400))]

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        with pytest.raises(MeetingFailedError, match=r"400 InvalidLocale\): The specified locale"):
            await meetings.transcript("m")

    use(work)


def test_a_wrong_key_keeps_the_audio(use: Callable[..., Any], double: ServiceDouble) -> None:
    with pytest.raises(AuthenticationError):
        use(record, key="wrong")

    async def later(meetings: MeetingService) -> JobState:
        return (await meetings.status("m")).state

    assert use(later) is JobState.COMPLETED


@pytest.mark.parametrize(
    "answer", [HTMLResponse("<html>"), JSONResponse({"hello": 1}), PlainTextResponse("")]
)
def test_an_answer_that_is_no_result_is_final_and_not_billed_again(
    use: Callable[..., Any], double: ServiceDouble, answer: Response
) -> None:
    double.faults = [Fault(SEND, answer, times=1_000)]

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        for _ in range(3):
            assert (await meetings.status("m")).state is JobState.FAILED
        with pytest.raises(MeetingFailedError, match=r"service's answer is .*may have been billed"):
            await meetings.transcript("m")
        assert len(double.requests) == 1
        double.faults.clear()
        assert (await meetings.resume("m")).state is JobState.COMPLETED

    use(work)


def test_a_large_answer_that_is_no_result_is_final_too(
    use: Callable[..., Any], double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "LARGE_BYTES", 0)
    double.faults = [Fault(SEND, JSONResponse({"hello": 1}), times=1_000)]

    async def work(meetings: MeetingService) -> JobState:
        await record(meetings)
        return (await meetings.status("m")).state

    assert use(work) is JobState.FAILED
    assert len(double.requests) == 1


def test_a_service_that_forbids_the_request_is_not_sent_the_audio_again(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    double.faults = [Fault(SEND, PlainTextResponse("no", 403), times=1_000)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        await meetings.status("m")
        return await meetings.status("m")

    status = use(work)
    assert status.state is JobState.FAILED
    assert "(403)" in status.reason
    assert len(double.requests) == 1


class CutResponse(Response):
    """An answer whose connection is lost in the middle of its body."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"100")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"phrases"', "more_body": True})
        raise ConnectionResetError


def test_answers_that_are_lost_are_not_awaited_for_ever(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    double.faults = [Fault(SEND, CutResponse(), times=1_000)]

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        with pytest.raises(UnavailableError):
            await meetings.status("m")
        await meetings.status("m")
        await meetings.status("m")
        status = await meetings.status("m")
        assert len(double.requests) == 3, "each of them was transcribed, and billed"
        double.faults.clear()
        assert (await meetings.resume("m")).state is JobState.COMPLETED
        return status

    status = use(work)
    assert status.state is JobState.FAILED
    assert "3 answers were lost, and may have been billed" in status.reason


def test_a_service_that_cannot_be_reached_never_fails_a_meeting(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        for _ in range(5):
            with pytest.raises(UnavailableError):
                await meetings.status("m")

    double.url = "http://127.0.0.1:9"
    use(work)


def test_the_deadline_ends_attempts_to_send_and_a_resumed_meeting_has_the_whole_time(
    use: Callable[..., Any], double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    double.faults = [Fault(SEND, PlainTextResponse("busy", 503), times=1_000)]
    start = time.time()

    async def work(meetings: MeetingService) -> MeetingStatus:
        await record(meetings)
        monkeypatch.setattr(time, "time", lambda: start + 1.9 * 3600)
        with pytest.raises(UnavailableError):
            await meetings.status("m")
        monkeypatch.setattr(time, "time", lambda: start + 2.1 * 3600)
        status = await meetings.status("m")
        with pytest.raises(UnavailableError):
            await meetings.resume("m")
        double.faults.clear()
        assert (await meetings.status("m")).state is JobState.COMPLETED
        return status

    status = use(work, deadline_hours="2")
    assert status.state is JobState.FAILED
    assert "in 2 hours (deadline_hours)" in status.reason
    assert "503" in status.reason


def test_a_refusal_for_size_without_a_fallback_is_final(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    double.faults = [Fault(SEND, JSONResponse({"code": "TooLarge", "message": "large"}, 413))]

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        status = await meetings.status("m")
        assert status.state is JobState.FAILED
        assert "413 TooLarge): large" in status.reason
        assert (await meetings.store.run(Store.newest, "m")).backend == "fast"

    use(work)


@pytest.mark.parametrize(
    ("status", "code", "assigned"),
    [(413, "", True), (400, "AudioLengthLimitExceeded", True), (400, "InvalidLocale", False)],
)
def test_only_a_refusal_for_size_or_length_is_assigned_to_the_fallback(
    use: Callable[..., Any], double: ServiceDouble, status: int, code: str, assigned: bool
) -> None:
    double.faults = [Fault(SEND, JSONResponse({"code": code, "message": "no"}, status))]

    async def work(meetings: MeetingService) -> Recording:
        recording = await recorded(meetings, fallback="other")
        await process(meetings, recording)
        return await meetings.store.run(Store.get, recording.id)

    after = use(work)
    if assigned:
        assert (after.backend, after.fallback) == ("other", "")
        assert after.state is JobState.PROCESSING
        assert after.audio_path.exists()
    else:
        assert (after.backend, after.state) == ("fast", JobState.FAILED)


def test_a_large_answer_is_stored_by_a_child_process(
    use: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolated, "LARGE_BYTES", 0)
    # Only in this process: the child must not need it.
    monkeypatch.setattr("speech_adapters.backends.fast.backend.read_transcript", None)

    async def work(meetings: MeetingService) -> Any:
        await record(meetings, notes=("A note.",))
        return await meetings.transcript("m")

    transcript = use(work)
    assert [u.text for u in transcript.utterances] == ["A double heard 1.000 seconds."]
    assert transcript.provenance.notes == ("A note.",)


def test_the_audio_is_removed_once_the_transcript_is_stored(use: Callable[..., Any]) -> None:
    async def work(meetings: MeetingService) -> Recording:
        await record(meetings)
        return await meetings.store.run(Store.newest, "m")

    recording = use(work)
    assert recording.state is JobState.COMPLETED
    assert not recording.audio_path.exists()


def test_a_meeting_deleted_while_it_is_sent_stays_deleted(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> Recording:
        recording = await recorded(meetings)
        backend = meetings.backend()
        assert isinstance(backend, RecordingBackend)
        path = recording.audio_path
        content = path.read_bytes()
        await meetings.store.run(Store.delete, recording.id)
        # As on systems where an open file is still readable after its removal.
        path.write_bytes(content)
        await backend.process(recording)
        return await meetings.store.run(Store.get, recording.id)

    recording = use(work)
    assert recording.state is JobState.DELETED
    assert len(double.definitions) == 1


def test_lost_audio_is_an_error_and_not_a_request(
    use: Callable[..., Any], double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> None:
        recording = await recorded(meetings)
        recording.audio_path.unlink()
        with pytest.raises(StoreError, match="cannot be read: No such file"):
            await process(meetings, recording)

    use(work)
    assert double.definitions == []


def test_it_describes_the_service(use: Callable[..., Any]) -> None:
    async def work(meetings: MeetingService) -> None:
        backend = meetings.backend()
        assert backend.name == "fast"
        assert backend.provenance.version == "Azure fast transcription 2025-10-15"
        assert backend.capabilities.stored
        assert not backend.capabilities.live
        assert backend.capabilities.most_speakers == 35
        # Nothing is kept at the service.
        with pytest.raises(MeetingNotFoundError):
            await backend.delete("m")

    use(work)


async def recorded(meetings: MeetingService, fallback: str = "") -> Recording:
    """Return a recording whose audio has ended, before it is processed."""
    store = meetings.store
    recording = await store.run(Store.create, MeetingRequest("m", mode=Mode.STORED), "fast")
    recording.audio_path.write_bytes(SOUND)
    await store.run(Store.close_audio, recording.id, len(SOUND))
    await store.run(Store.assign, recording.id, "fast", fallback=fallback)
    return await store.run(Store.get, recording.id)


async def process(meetings: MeetingService, recording: Recording) -> None:
    backend = meetings.backend()
    assert isinstance(backend, RecordingBackend)
    await backend.process(recording)


@pytest.mark.parametrize(("participants", "sent"), [(5, 5), (0, 10)])
def test_all_participants_of_a_meeting_are_distinguished(
    use: Callable[..., Any], double: ServiceDouble, participants: int, sent: int
) -> None:
    people = tuple(Attendee(f"user{n}") for n in range(participants))

    async def work(meetings: MeetingService) -> Any:
        await record(meetings, attendees=people)
        return await meetings.transcript("m")

    (note,) = use(work).provenance.emulated
    assert f"at most {sent} were distinguished" in note
    assert double.definitions[0]["diarization"] == {"enabled": True, "maxSpeakers": sent}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"api_version": "2025-10-15"}, {"phraseList": {"phrases": ["Contoso", "Jessie"]}}),
        (
            {"api_version": "2024-11-15", "model": "https://host/models/1"},
            {"models": {"de-DE": "https://host/models/1"}},
        ),
    ],
)
def test_wishes_about_the_text_are_sent_as_each_version_accepts_them(
    use: Callable[..., Any],
    double: ServiceDouble,
    options: dict[str, str],
    sent: dict[str, Any],
) -> None:
    asked = MeetingRequest(
        "m",
        mode=Mode.STORED,
        language="de-DE",
        differentiate_speakers=False,
        phrases=("Contoso", "Jessie"),
        languages=(("de-DE", ""), ("fr-FR", "")),
        settings={"profanity": "removed"},
    )

    async def work(meetings: MeetingService) -> set[str]:
        await record(meetings, **attrs.asdict(asked, recurse=False, filter=_is_wish))
        _, gaps = await meetings.choose(asked)
        return {gap.id for gap in gaps}

    gaps = use(work, **options)
    assert double.definitions == [
        {"locales": ["de-DE", "fr-FR"], "profanityFilterMode": "Removed", **sent}
    ]
    assert gaps == ({"phrases"} if "phraseList" not in sent else set())


def _is_wish(field: Any, _: Any) -> bool:
    return field.name not in ("meeting_id", "mode", "participants")


def test_a_custom_model_needs_the_version_that_has_them(use: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"no custom models\. Set api_version"):
        use(record, model="https://host/models/1")
