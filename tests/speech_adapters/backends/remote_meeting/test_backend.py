"""The backend with the real Speech SDK, against the double of a service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import pytest
from starlette.responses import Response

from double.recognition import SECOND, audio, fetch, lines, record, run, texts, transcribe
from double.remote_meetings import RemoteMeetings
from double.service import Fault
from speech_adapters.audio import PcmFormat
from speech_adapters.backends.remote_meeting.progress import RemoteStage, load_progress
from speech_adapters.config import Settings
from speech_adapters.contract import (
    Attendee,
    Hypothesis,
    JobState,
    MeetingRequest,
    Mode,
    Recognized,
    SessionEvent,
    gaps,
)
from speech_adapters.errors import (
    AuthenticationError,
    ConfigurationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_compat.testing.loopback import Line, Script

Serve = Callable[..., tuple[RemoteMeetings, Callable[..., Settings]]]
SIGNATURE = '{"Version": 0, "Tag": "private", "Data": "private"}'
KATIE = Attendee("katie@example.com", "en-GB", SIGNATURE)
LINES = (
    Line("first", SECOND, SECOND, "Guest_0", ("fi", "firs")),
    Line("second", 2 * SECOND, SECOND, KATIE.id),
    Line("third", 3 * SECOND, SECOND, "Unidentified"),
)


def final(events: list[SessionEvent]) -> list[tuple[str, int | None, str | None]]:
    found = [event.utterance for event in events if isinstance(event, Recognized)]
    return [(u.text, u.speaker, u.participant) for u in found]


def test_a_live_meeting(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    service, configure = serve(Script(LINES))
    sound = PcmFormat(16_000, 8)
    request: dict[str, Any] = {"audio": sound, "attendees": (KATIE, Attendee("steve"))}
    events = run(configure(), lambda meetings: transcribe(meetings, 5, **request))
    assert final(events) == [("first", 0, None), ("second", 1, KATIE.id), ("third", None, None)]
    hypotheses = [e.utterance for e in events if isinstance(e, Hypothesis)]
    assert [u.text for u in hypotheses] == ["fi", "firs"]
    (meeting,) = service.loopback.meetings
    assert (meeting.pcm, meeting.received) == (sound, 5 * SECOND), "all channels are sent"
    assert meeting.query == {"language": "en-US"}
    assert meeting.details == {
        "id": "m",
        "DifferentiateGuestSpeakers": "true",
        "attendees": [
            {"id": KATIE.id, "preferredLanguage": "en-GB", "voice": SIGNATURE, "details": ""},
            {"id": "steve", "preferredLanguage": "en-US", "voice": "", "details": ""},
        ],
    }
    assert service.requests == []
    assert capfd.readouterr().out == "", "the SDK prints a line of its developers"


def test_live_events_and_the_stored_transcript_are_the_same(serve: Serve) -> None:
    corrected = attrs.evolve(LINES[0], speaker="Guest_1", hypotheses=())
    service, configure = serve(Script((*LINES, corrected)))

    async def work(meetings: MeetingService) -> None:
        events = await transcribe(meetings, 5, Mode.BOTH)
        (correction,) = [e for e in events if isinstance(e, Recognized) and e.correction]
        first = next(e for e in events if isinstance(e, Recognized))
        assert correction.utterance == attrs.evolve(first.utterance, speaker=2)
        transcript = await fetch(meetings)
        latest = {e.utterance.id: e.utterance for e in events if isinstance(e, Recognized)}
        assert [attrs.evolve(u, speaker=None) for u in transcript.utterances] == [
            attrs.evolve(u, speaker=None) for u in latest.values()
        ]
        assert [u.participant for u in transcript.utterances] == [None, KATIE.id, None]
        # The transcript numbers speakers by first appearance.
        assert [u.speaker for u in transcript.utterances] == [0, 1, None]

    run(configure(), work)
    (meeting,) = service.loopback.meetings
    assert meeting.query["transcriptionMode"] == "RealTimeAndAsync"


def test_a_stored_meeting_is_uploaded_and_fetched_and_its_signatures_are_forgotten(
    serve: Serve,
) -> None:
    service, configure = serve(Script(LINES))
    settings = configure()

    async def work(meetings: MeetingService) -> None:
        request = MeetingRequest("m", mode=Mode.STORED, attendees=(KATIE,))
        async with await meetings.open_session(request) as session:
            await session.push(audio(0, 5))
            await session.finish()
        transcript = await fetch(meetings)
        assert [u.text for u in transcript.utterances] == ["first", "second", "third"]
        assert transcript.duration == 5 * SECOND
        assert transcript.provenance.backend == "remote_meeting"
        recording = await meetings.store.run(Store.newest, "m")
        assert recording.request.attendees == ()

    run(settings, work)
    (meeting,) = service.loopback.meetings
    assert meeting.only_stored
    assert meeting.details["attendees"][0]["voice"] == SIGNATURE
    assert [path.name for path in (settings.state_dir / "audio").iterdir()] == []
    for path in settings.state_dir.rglob("*"):
        assert not path.is_file() or b"private" not in path.read_bytes()


def test_without_differentiation_only_participants_are_named(serve: Serve) -> None:
    service, configure = serve(Script(LINES))
    more: dict[str, Any] = {"differentiate_speakers": False, "attendees": (KATIE,)}
    events = run(configure(), lambda meetings: transcribe(meetings, 5, Mode.BOTH, **more))
    assert final(events) == [
        ("first", None, None),
        ("second", None, KATIE.id),
        ("third", None, None),
    ]
    assert "DifferentiateGuestSpeakers" not in service.loopback.meetings[0].details


def test_a_live_meeting_that_connects_anew_is_uploaded_again_as_a_whole(serve: Serve) -> None:
    """The service has only the rest of the audio on the second connection."""
    script = Script(lines(8, "Guest_0"), cuts=((4 * SECOND, 4000),), clock=True)
    service, configure = serve(script)

    async def work(meetings: MeetingService) -> None:
        expected = [f"line {n}" for n in range(8)]
        assert texts(await transcribe(meetings, 8, Mode.BOTH)) == expected
        assert [u.text for u in (await fetch(meetings)).utterances] == expected

    run(configure(), work)
    first, second, third = service.loopback.meetings
    assert [m.only_stored for m in (first, second, third)] == [False, False, True]
    assert third.received == 8 * SECOND


def test_a_live_meeting_that_is_closed_early_is_uploaded(serve: Serve) -> None:
    service, configure = serve(Script(lines(4, "Guest_0")))

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.BOTH))
        recording = await meetings.store.run(Store.newest, "m")
        assert load_progress(recording).stage is RemoteStage.UPLOADING, "before any of it is sent"
        await session.push(audio(0, 2))
        await session.aclose()
        assert [u.text for u in (await fetch(meetings)).utterances] == ["line 0", "line 1"]

    run(configure(), work)
    assert service.loopback.meetings[-1].only_stored


def test_a_service_that_refuses_the_live_meeting_gets_it_afterwards(serve: Serve) -> None:
    service, configure = serve(Script(lines(2, "Guest_0"), refuse=503))

    async def work(meetings: MeetingService) -> None:
        with pytest.raises(Exception, match="503"):
            await transcribe(meetings, 2, Mode.BOTH)
        service.loopback.script = attrs.evolve(service.loopback.script, refuse=0)
        assert [u.text for u in (await fetch(meetings)).utterances] == ["line 0", "line 1"]

    run(configure(attempts="1"), work)


def test_a_meeting_of_another_machine_is_read_by_its_id(serve: Serve) -> None:
    service, configure = serve(Script())
    part = {"userId": "Guest_4", "resultId": "r", "text": "hi", "offsetInTicks": 7}
    service.others = {
        "done": {"processingStatus": 2, "transcriptions": [{**part, "durationInTicks": 3}]},
        "failed": {"processingStatus": 3},
        "reasoned": {"processingStatus": 3, "failureReason": "too long"},
        "deleted": {"processingStatus": 4},
        "running": {"processingStatus": "Processing"},
    }

    async def work(meetings: MeetingService) -> None:
        for name, state in (
            ("done", JobState.COMPLETED),
            ("failed", JobState.FAILED),
            ("deleted", JobState.DELETED),
            ("running", JobState.PROCESSING),
        ):
            assert (await meetings.status(name)).state is state
            assert (await meetings.resume(name)).state is state
        assert (await meetings.status("reasoned")).reason == "too long"
        assert "states no reason" in (await meetings.status("failed")).reason
        transcript = await meetings.transcript("done")
        (utterance,) = transcript.utterances
        assert (utterance.id, utterance.text, utterance.speaker) == ("r", "hi", 0)
        assert (transcript.meeting_id, transcript.duration) == ("done", 10)
        assert len(transcript.provenance.notes) == 1
        for name, kind, message in (
            ("failed", MeetingFailedError, "states no reason"),
            ("reasoned", MeetingFailedError, "too long"),
            ("deleted", MeetingNotFoundError, "was deleted"),
            ("running", MeetingBusyError, "not finished"),
            ("unknown", MeetingNotFoundError, "There is no meeting 'unknown'"),
        ):
            with pytest.raises(kind, match=message):
                await meetings.transcript(name)
        await meetings.delete("done")
        for method in (meetings.status, meetings.resume, meetings.transcript, meetings.delete):
            with pytest.raises(MeetingNotFoundError, match="There is no meeting 'done'"):
                await method("done")

    run(configure(), work)


def test_a_meeting_is_not_deleted_twice(serve: Serve) -> None:
    """A service may accept both, but a program learns of the first."""
    service, configure = serve(Script())
    service.others["m"] = {"processingStatus": "Deleted"}
    with pytest.raises(MeetingNotFoundError, match="was deleted already"):
        run(configure(), lambda meetings: meetings.delete("m"))
    assert service.deleted == set()


def test_a_meeting_whose_status_cannot_be_read_is_deleted(serve: Serve) -> None:
    service, configure = serve(Script())
    service.others["m"] = {"processingStatus": "Queued"}
    run(configure(), lambda meetings: meetings.delete("m"))
    assert service.deleted == {"m"}


def test_a_refusal_is_no_state(serve: Serve) -> None:
    _, configure = serve(Script())
    with pytest.raises(AuthenticationError, match="401"):
        run(configure(key="wrong"), lambda meetings: meetings.status("m"))


def test_a_meeting_that_the_service_works_on_is_deleted_later(serve: Serve) -> None:
    service, configure = serve(Script(lines(2, "Guest_0")))
    busy = Fault("DELETE", Response(status_code=409))

    async def work(meetings: MeetingService) -> None:
        await record(meetings, 2)
        await fetch(meetings)
        service.others["x"] = {"processingStatus": 1}
        service.faults = [busy]
        with pytest.raises(MeetingBusyError):
            await meetings.delete("x")
        # The deletion itself succeeds; the cleanup finds the meeting busy, and is tried again.
        service.faults = [attrs.evolve(busy, pattern="DELETE", times=0)]
        recording = await meetings.store.run(Store.newest, "m")
        await meetings.store.run(Store.delete, recording.id)
        service.faults = [attrs.evolve(busy, times=1)]
        await meetings.recordings()
        (due,) = await meetings.store.run(Store.due_cleanups, time.time() + 60)
        assert due.id == recording.id
        assert "m" not in service.deleted
        await meetings.store.run(Store.clean_later, recording.id, 0.0)
        await meetings.recordings()
        assert "m" in service.deleted
        assert await meetings.store.run(Store.due_cleanups, 1e12) == []

    run(configure(), work)


def test_the_cleanup_of_an_old_recording_spares_the_newer_one(serve: Serve) -> None:
    service, configure = serve(Script(lines(2, "Guest_0")))

    async def work(meetings: MeetingService) -> None:
        await record(meetings, 1)
        await fetch(meetings)
        old = await meetings.store.run(Store.newest, "m")
        await meetings.store.run(Store.delete, old.id)
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
        await session.push(audio(0, 2))
        # While the new one may still prove empty, nothing is decided.
        await meetings.store.run(Store.clean_later, old.id, 0.0)
        await meetings.recordings()
        assert [r.id for r in await meetings.store.run(Store.due_cleanups, 1e12)] == [old.id]
        await session.finish()
        await session.aclose()
        assert len((await fetch(meetings)).utterances) == 2
        await meetings.store.run(Store.clean_later, old.id, 0.0)
        await meetings.recordings()
        assert await meetings.store.run(Store.due_cleanups, 1e12) == []
        assert not [line for line in service.requests if line.startswith("DELETE")]

    run(configure(), work)


def test_a_recording_that_was_never_sent_needs_no_deletion_there(serve: Serve) -> None:
    service, configure = serve(Script())
    settings = configure()
    with Store.open(settings.state_dir) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), "remote_meeting")
        store.close_audio(recording.id, 9)
        store.delete(recording.id)
    run(settings, lambda meetings: meetings.recordings())
    assert service.requests == []


def test_a_damaged_progress_is_deleted_there_all_the_same(serve: Serve) -> None:
    service, configure = serve(Script())
    settings = configure()
    with Store.open(settings.state_dir) as store:
        recording = store.create(MeetingRequest("m", mode=Mode.STORED), "remote_meeting")
        store.update(recording.id, backend_state="damaged")
        store.delete(recording.id)
    run(settings, lambda meetings: meetings.recordings())
    assert service.requests == ["DELETE /api/v1/offlinetask"]


def test_the_programs_credential_cannot_be_passed_to_a_worker(serve: Serve) -> None:
    _, configure = serve(Script())
    given = configure(key="")
    own = given.service.model_copy(update={"credential": object()})
    settings = given.model_copy(update={"service": own})
    request = MeetingRequest("m", mode=Mode.STORED)
    with pytest.raises(ConfigurationError, match="process of its own"):
        run(settings, lambda meetings: meetings.open_session(request))
    # A recording of another program: it needs a worker until it is uploaded.
    with Store.open(settings.state_dir) as store:
        recording = store.create(request, "remote_meeting")
        store.close_audio(recording.id, 9)
    with pytest.raises(ConfigurationError, match="process of its own"):
        run(settings, lambda meetings: meetings.status("m"))


def test_what_would_be_lost_is_known_before(serve: Serve) -> None:
    _, configure = serve(Script())
    request = MeetingRequest(
        "m",
        audio=PcmFormat(16_000, 8),
        attendees=(KATIE,),
        word_timestamps=True,
        phrases=("Contoso",),
    )

    async def work(meetings: MeetingService) -> list[str]:
        return [gap.id for gap in gaps(request, meetings.backend().capabilities)]

    assert run(configure(), work) == ["word-timestamps", "phrases"]


def test_a_large_transcript_is_stored_by_another_process(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, configure = serve(Script(lines(3, "Guest_0")))
    monkeypatch.setattr("speech_adapters.isolated.LARGE_BYTES", 10)

    async def work(meetings: MeetingService) -> Any:
        await record(meetings, 3)
        return await fetch(meetings)

    found = run(configure(), work)
    assert [u.text for u in found.utterances] == ["line 0", "line 1", "line 2"]


def test_statuses_do_not_wait_for_each_other(serve: Serve) -> None:
    """One connection serves all questions, which are asked at the same time."""
    service, configure = serve(Script())
    service.others = {f"m{n}": {"processingStatus": 1} for n in range(20)}

    async def work(meetings: MeetingService) -> None:
        async with anyio.create_task_group() as tasks:
            for name in service.others:
                tasks.start_soon(meetings.status, name)

    run(configure(), work)
    assert len(service.requests) == 20
