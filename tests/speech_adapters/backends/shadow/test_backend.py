from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from double import faulty_backend, scripted_backend
from double.faulty_backend import FAULTS, Faulty
from double.meetings import run
from double.voices import RETIRED
from speech_adapters import Attendee, JobState, MeetingRequest, Mode, PcmFormat, Transcript
from speech_adapters.backends.shadow import second as module
from speech_adapters.backends.shadow import waiting
from speech_adapters.config import Settings, load_settings
from speech_adapters.contract import SessionEvent
from speech_adapters.errors import (
    ConfigurationError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
    StoreError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import Host
from speech_adapters.recording.spool import SpoolWriter
from speech_adapters.shadows import shadow_note
from speech_adapters.store import Recording, Store
from speech_adapters.store.recovery import CUT_SHORT
from speech_adapters.store.sqlite import SqliteStore
from speech_compat.testing.loopback import clock_audio

SECONDS = 5
AUDIO = clock_audio(0, SECONDS * 10)
TEXTS = ["0-19", "20-39", "40-49"]
PATIENCE = 20


@pytest.fixture(autouse=True)
def _ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    faulty_backend.install(monkeypatch)
    yield
    faulty_backend.go_on()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return with_second(tmp_path / "state", "shadow")


def with_second(folder: Path, backend: str, **more: str) -> Settings:
    return load_settings(
        {
            "backend": backend,
            "state_dir": str(folder),
            "backends.shadow.primary": "clock",
            "backends.shadow.second": "faulty",
            **more,
        }
    )


async def hold(
    meetings: MeetingService, mode: Mode, meeting_id: str = "m", **asked: Any
) -> list[SessionEvent]:
    """Hold a meeting and return its events."""
    request = MeetingRequest(meeting_id, mode=mode, **asked)
    async with await meetings.open_session(request) as session:
        for start in range(0, len(AUDIO), 16_000):
            await session.push(AUDIO[start : start + 16_000])
        await session.finish()
        return [event async for event in session.events()]


async def newest(meetings: MeetingService, meeting_id: str, *states: JobState) -> Recording:
    """Return the newest recording of a meeting once it is in one of these states."""
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                found = await meetings.store.run(Store.newest, meeting_id)
                if found.state in (states or (JobState.COMPLETED, JobState.FAILED)):
                    return found
            except MeetingNotFoundError:
                pass
            await anyio.sleep(0.02)


async def both(meetings: MeetingService) -> list[Transcript]:
    """Return both transcripts of the meeting ``m``."""
    found = [await newest(meetings, meeting_id) for meeting_id in ("m", "m-shadow")]
    return [await meetings.transcript(one.meeting_id) for one in found]


def without_ids(events: list[SessionEvent]) -> list[str]:
    """Return events as text without the random ids of their utterances."""
    shown = []
    for event in events:
        utterance = getattr(event, "utterance", None)
        if utterance is not None:
            shown.append(repr(event).replace(utterance.id, ""))
        else:
            shown.append(repr(event))
    return shown


@pytest.mark.parametrize("mode", list(Mode))
def test_both_transcripts_are_stored(settings: Settings, mode: Mode) -> None:
    async def work(meetings: MeetingService) -> None:
        await hold(meetings, mode)
        first, second = await both(meetings)
        assert [u.text for u in first.utterances] == TEXTS
        assert [u.text for u in second.utterances] == TEXTS
        assert (first.provenance.backend, second.provenance.backend) == ("clock", "faulty")
        assert second.provenance.notes == (shadow_note("m"),)
        assert first.duration == second.duration == SECONDS * 10_000_000
        # What was spooled is removed as for any other meeting.
        assert list(settings.state_dir.rglob("*.pcm")) == []

    run(settings, work)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_second_backend_that_fails_changes_no_event(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    mode: Mode,
) -> None:
    async def work(meetings: MeetingService) -> tuple[list[str], list[str]]:
        events = without_ids(await hold(meetings, mode))
        texts: list[str] = []
        if mode.stored:
            await newest(meetings, "m", JobState.COMPLETED)
            texts = [u.text for u in (await meetings.transcript("m")).utterances]
        return events, texts

    faulty_backend.install(monkeypatch, fault)
    monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.5)
    with caplog.at_level(logging.WARNING):
        found = run(with_second(tmp_path / "with", "shadow"), work)
    assert found == run(with_second(tmp_path / "without", "clock"), work)
    assert "what was said" not in caplog.text
    if "hangs" not in fault:
        assert "The meeting itself is not concerned" in caplog.text


@pytest.mark.parametrize(
    ("target", "name", "hint"),
    [
        (Store, "create", "disk full"),
        (SpoolWriter, "write", "disk full"),
        (SpoolWriter, "sync", "disk full"),
        (Store, "close_audio", "disk full"),
    ],
)
def test_a_second_recording_that_fails_at_any_step_changes_no_event(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    target: type,
    name: str,
    hint: str,
) -> None:
    """At the start, in the middle, and at the stop of a live meeting, which needs no store."""

    def fail(self: Any, *_: Any, **__: Any) -> None:
        raise StoreError(f"The audio cannot be written: {hint}.")

    async def work(meetings: MeetingService) -> list[str]:
        if target is Store:
            store = type(await meetings.store.run(lambda store: store))
            monkeypatch.setattr(store, name, fail)
        else:
            # The spool of the primary's own live meeting stays as it is.
            monkeypatch.setattr(target, name, _only_second(target, name, fail))
        return without_ids(await hold(meetings, Mode.LIVE))

    found = run(settings, work)
    assert "The meeting itself is not concerned" in caplog.text
    assert hint in caplog.text
    monkeypatch.undo()
    faulty_backend.install(monkeypatch)
    assert found == run(with_second(tmp_path / "x", "clock"), _live)


async def _live(meetings: MeetingService) -> list[str]:
    return without_ids(await hold(meetings, Mode.LIVE))


def _only_second(target: type, name: str, fail: Any) -> Any:
    whole = getattr(target, name)

    def chosen(self: SpoolWriter, *arguments: Any) -> Any:
        stored = self.path.parent.name == "audio"
        return (fail if stored else whole)(self, *arguments)

    return chosen


def test_audio_that_waits_for_the_disk_has_a_limit(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    async def work(meetings: MeetingService) -> None:
        assert len(await hold(meetings, Mode.BOTH)) == 9
        failed = await newest(meetings, "m-shadow")
        assert failed.state is JobState.FAILED
        assert "as fast as it came" in failed.reason
        with pytest.raises(MeetingFailedError, match="faster disk"):
            await meetings.transcript("m-shadow")
        assert (await newest(meetings, "m")).state is JobState.COMPLETED

    monkeypatch.setattr(waiting, "_MOST_BYTES", 10_000)
    run(settings, work)


def test_what_the_second_backend_cannot_serve_is_its_own_failure(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    async def work(meetings: MeetingService) -> None:
        await hold(meetings, Mode.STORED)
        failed = await newest(meetings, "m-shadow")
        assert "language 'en-US' is not supported" in failed.reason
        assert (await newest(meetings, "m")).state is JobState.COMPLETED

    faulty_backend.install(monkeypatch, "language")
    run(settings, work)


def test_a_second_backend_that_was_wrong_continues_once_it_is_right(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    async def record(meetings: MeetingService) -> None:
        await hold(meetings, Mode.STORED)
        await newest(meetings, "m-shadow", JobState.PROCESSING)

    async def query(meetings: MeetingService) -> list[str]:
        assert (await meetings.status("m-shadow")).state is JobState.COMPLETED
        return [u.text for u in (await meetings.transcript("m-shadow")).utterances]

    faulty_backend.install(monkeypatch, "creation")
    run(settings, record)
    faulty_backend.install(monkeypatch)
    assert run(settings, query) == TEXTS


def test_the_second_backend_is_created_once_and_again_after_an_error(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    created: list[Faulty] = []
    start = Faulty.__init__

    def count(self: Faulty, *arguments: Any) -> None:
        created.append(self)
        start(self, *arguments)

    async def work(meetings: MeetingService) -> None:
        monkeypatch.setattr(Faulty, "__init__", count)
        faulty_backend.install(monkeypatch, "creation")
        await hold(meetings, Mode.STORED, "a")
        await newest(meetings, "a-shadow", JobState.PROCESSING)
        faulty_backend.install(monkeypatch)
        for name in ("b", "c"):
            await hold(meetings, Mode.STORED, name)
            await newest(meetings, f"{name}-shadow", JobState.COMPLETED)
        assert meetings.backend("faulty") is created[0]

    run(settings, work)
    assert len(created) == 1


def test_a_second_backend_that_is_in_use_already_is_used(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        used = meetings.backend("faulty")
        await hold(meetings, Mode.STORED)
        await newest(meetings, "m-shadow", JobState.COMPLETED)
        assert meetings.backend("faulty") is used

    run(settings, work)


def test_no_voice_signature_is_used_twice(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    created: list[MeetingRequest] = []
    create = SqliteStore.create

    def note(self: SqliteStore, request: MeetingRequest, *rest: Any, **more: Any) -> Recording:
        created.append(request)
        return create(self, request, *rest, **more)

    async def work(meetings: MeetingService) -> None:
        attendees = (Attendee("katie", "en-US", RETIRED),)
        await hold(meetings, Mode.BOTH, attendees=attendees, phrases=("x",))
        await newest(meetings, "m-shadow")

    monkeypatch.setattr(SqliteStore, "create", note)
    run(settings, work)
    second = created[1]
    assert (second.meeting_id, second.mode) == ("m-shadow", Mode.STORED)
    assert second.attendees == ()
    assert second.phrases == ("x",)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_deletion_deletes_both(settings: Settings, mode: Mode) -> None:
    async def work(meetings: MeetingService) -> None:
        await hold(meetings, mode)
        await both(meetings)
        await meetings.delete("m")
        for meeting_id in ("m", "m-shadow"):
            assert (await meetings.status(meeting_id)).state is JobState.DELETED
        with pytest.raises(MeetingNotFoundError, match="deleted"):
            await meetings.delete("m")

    run(settings.model_copy(update={"keep_audio": True}), work)
    assert list(settings.state_dir.rglob("*.pcm")) == []


def test_a_deletion_needs_no_second_backend(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async def record(meetings: MeetingService) -> None:
        await hold(meetings, Mode.STORED)
        await both(meetings)

    async def delete(meetings: MeetingService) -> None:
        await meetings.delete("m")
        with pytest.raises(MeetingNotFoundError, match="deleted"):
            await meetings.transcript("m-shadow")

    run(settings.model_copy(update={"keep_audio": True}), record)
    faulty_backend.install(monkeypatch, "creation")
    run(settings, delete)
    assert list(settings.state_dir.rglob("*.pcm")) == []
    assert "not deleted yet" in caplog.text


@pytest.mark.parametrize("fault", ["", "process hangs"])
@pytest.mark.parametrize("mode", list(Mode))
def test_a_deletion_right_after_the_meeting_deletes_both(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, fault: str, mode: Mode
) -> None:
    async def work(meetings: MeetingService) -> None:
        await hold(meetings, mode)
        with suppress(MeetingNotFoundError):  # a live meeting may not be stored yet
            await meetings.delete("m")
        for one in await meetings.recordings():
            assert one.state is JobState.DELETED, one.meeting_id

    faulty_backend.install(monkeypatch, fault)
    monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.5)
    run(settings, work)
    assert list(settings.state_dir.rglob("*.pcm")) == []


def test_no_second_transcript_is_recorded_after_the_deletion(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    async def work(meetings: MeetingService) -> None:
        lock = await meetings.store.run(Store.lock_meeting, "m-shadow")
        await hold(meetings, Mode.STORED)
        await newest(meetings, "m", JobState.COMPLETED)
        await meetings.delete("m")
        lock.release()

    monkeypatch.setattr(module, "_SETTLE_SECONDS", 0.5)
    run(settings, work)
    found = run(settings, MeetingService.recordings)
    assert [one.meeting_id for one in found] == ["m"]


def test_a_meeting_of_a_similar_id_is_not_deleted(settings: Settings) -> None:
    async def delete(meetings: MeetingService) -> None:
        await meetings.delete("m")
        assert (await meetings.status("m-shadow")).state is JobState.COMPLETED

    async def record(meetings: MeetingService) -> None:
        for meeting_id in ("m", "m-shadow"):
            await hold(meetings, Mode.STORED, meeting_id)

    run(with_second(settings.state_dir, "clock"), record)
    run(settings, delete)


def test_both_recordings_of_a_dead_program_are_continued(settings: Settings) -> None:
    """The two open recordings of a killed program."""

    async def work(meetings: MeetingService) -> None:
        request = MeetingRequest("m", mode=Mode.STORED)
        second = attrs.evolve(request, meeting_id="m-shadow", notes=(shadow_note("m"),))
        for one, backend in ((request, "clock"), (second, "faulty")):
            recording = await meetings.store.run(Store.create, one, backend)
            recording.audio_path.write_bytes(AUDIO)
        for meeting_id in ("m", "m-shadow"):
            assert (await meetings.status(meeting_id)).state is JobState.COMPLETED
            found = await meetings.transcript(meeting_id)
            assert [u.text for u in found.utterances] == TEXTS
            assert CUT_SHORT in found.provenance.notes

    run(settings, work)


def test_a_recording_in_its_own_name_is_assigned_to_the_primary(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        request = MeetingRequest("m", mode=Mode.STORED)
        recording = await meetings.store.run(Store.create, request, "shadow")
        recording.audio_path.write_bytes(AUDIO)
        assert (await meetings.status("m")).state is JobState.COMPLETED
        assert (await newest(meetings, "m")).backend == "clock"

    run(settings, work)


def test_a_meeting_without_audio_has_no_second_transcript(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m", mode=Mode.STORED)) as session:
            await session.finish()

    run(settings, work)
    ids = [one.meeting_id for one in run(settings, MeetingService.recordings)]
    assert ids == ["m"]


def test_the_format_may_change_before_the_first_audio(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        request = MeetingRequest("m", mode=Mode.STORED)
        session = await meetings.open_session(request)
        changed = attrs.evolve(request, audio=PcmFormat(channels=2))
        async with await meetings.reopen_session(session, changed) as replacement:
            await replacement.push(b"".join(AUDIO[n : n + 2] * 2 for n in range(0, len(AUDIO), 2)))
            await replacement.finish()
        second = (await both(meetings))[1]
        assert [u.text for u in second.utterances] == TEXTS

    run(settings, work)


def test_a_live_meeting_whose_events_were_not_read_to_the_end_is_noted(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(MeetingRequest("m")) as session:
            await session.push(AUDIO)
            events = session.events()
            await anext(events)
            await events.aclose()  # type: ignore[attr-defined]
        first, second = await both(meetings)
        assert "ended early" in " ".join(first.provenance.notes)
        assert [u.text for u in second.utterances] == TEXTS

    run(settings, work)


def test_a_request_loses_what_the_primary_backend_would_lose(settings: Settings) -> None:
    async def work(meetings: MeetingService) -> None:
        shadow, primary = meetings.backend(), meetings.backend("clock")
        assert shadow.capabilities == primary.capabilities
        assert shadow.provenance.version == "clock 1"
        for method in (shadow.status, shadow.resume, shadow.transcript, shadow.delete):
            with pytest.raises(MeetingNotFoundError, match="unknown"):
                await method("unknown")

    run(settings, work)


def test_a_primary_backend_that_fails_is_an_error_of_the_meeting(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    swapped = {"shadow": {"primary": "faulty", "second": "clock"}}
    faulty_backend.install(monkeypatch, "creation")
    with pytest.raises(ConfigurationError, match="no key"):
        run(settings.model_copy(update={"backends": swapped}), lambda m: hold(m, Mode.STORED))


def test_a_primary_backend_that_does_not_record(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def create(settings: Settings, host: Host) -> Any:
        return scripted_backend.create(settings)

    monkeypatch.setattr(faulty_backend, "create", create)
    swapped = {"shadow": {"primary": "faulty", "second": "clock"}}
    with pytest.raises(SpeechError, match=r"backends\.shadow\.primary"):
        run(settings.model_copy(update={"backends": swapped}), lambda m: hold(m, Mode.STORED))
