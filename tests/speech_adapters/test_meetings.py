"""The meeting service: dispatch, recovery, and what a status query costs."""

from __future__ import annotations

from pathlib import Path

import anyio
import attrs
import pytest

from double.recorder import DONE, REQUEST, Recorder, record, stored, use
from double.voices import MODEL, RETIRED, signature_text
from speech_adapters.audio import PcmFormat
from speech_adapters.capabilities import Capabilities
from speech_adapters.config import StoreOptions, load_settings
from speech_adapters.contract import Attendee, JobState
from speech_adapters.errors import (
    AuthenticationError,
    ConfigurationError,
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
    StoreError,
    ThrottledError,
    UnavailableError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.store import Lock, Recording, Store
from speech_adapters.store.sqlite import SqliteStore

# --- meetings that are finished or unknown ------------------------------------------


def test_what_is_finished_needs_no_backend() -> None:
    stored(JobState.COMPLETED)
    assert use(lambda meetings: meetings.status("m")).state is JobState.COMPLETED
    assert use(lambda meetings: meetings.transcript("m")) == DONE


def test_why_it_failed_needs_no_backend() -> None:
    stored(JobState.FAILED)
    assert use(lambda meetings: meetings.status("m")).reason == "for a reason"
    with pytest.raises(MeetingFailedError, match="for a reason"):
        use(lambda meetings: meetings.transcript("m"))


@pytest.mark.parametrize("question", ["status", "resume", "delete"])
def test_what_is_not_finished_is_its_own_backends_business(question: str) -> None:
    stored(JobState.PROCESSING)
    with pytest.raises(ConfigurationError, match="The batch backend needs"):
        use(lambda meetings: getattr(meetings, question)("m"))


@pytest.mark.parametrize("question", ["status", "transcript", "resume", "delete"])
def test_an_unknown_meeting_is_unknown(question: str) -> None:
    with pytest.raises(MeetingNotFoundError, match="unknown"):
        use(lambda meetings: getattr(meetings, question)("unknown"))


def test_a_list_of_meetings_processes_none(recorders: dict[str, Recorder]) -> None:
    stored(JobState.PROCESSING, "ours")
    (summary,) = use(lambda meetings: meetings.summaries("", 5), backend="ours")
    assert (summary.meeting_id, summary.state) == ("m", JobState.PROCESSING)
    assert recorders == {}


# --- sessions whose audio has another format than declared -----------------------------


def test_a_session_without_audio_is_reopened_for_another_format(
    recorders: dict[str, Recorder],
) -> None:
    stereo = attrs.evolve(REQUEST, audio=PcmFormat(44_100, 2))

    async def work(meetings: MeetingService) -> tuple[list[Recording], list[Recording]]:
        session = await meetings.open_session(REQUEST)
        (empty,) = await meetings.recordings()
        async with await meetings.reopen_session(session, stereo) as reopened:
            await reopened.push(bytes(400))
            await reopened.finish()
        return [empty], await meetings.recordings()

    (empty,), (recording,) = use(work, backend="ours")
    assert recording.request.audio == PcmFormat(44_100, 2)
    assert recording.audio_bytes == 400
    assert [found.id for found in recorders["ours"].discarded] == [empty.id]


# --- voice signatures ------------------------------------------------------------------

SIGNED = attrs.evolve(
    REQUEST,
    attendees=(
        Attendee("katie", "", signature_text(0)),
        Attendee("steve", "", signature_text(1, "f" * 16)),
        Attendee("old", "", RETIRED),
    ),
)
LATE = Attendee("late", "", signature_text(2))


@pytest.mark.parametrize(("identifies", "kept"), [(True, SIGNED.attendees[:1]), (False, ())])
def test_only_signatures_that_the_backend_uses_are_stored(
    recorders: dict[str, Recorder],
    monkeypatch: pytest.MonkeyPatch,
    identifies: bool,
    kept: tuple[Attendee, ...],
) -> None:
    can = Capabilities(live=False, stored=True, identification=identifies, signature_model=MODEL)
    monkeypatch.setattr(Recorder, "capabilities", can)

    async def work(meetings: MeetingService) -> list[tuple[Attendee, ...]]:
        async with await meetings.open_session(SIGNED) as session:
            await session.push(bytes(3_200))
            (first,) = await meetings.recordings()
            await meetings.replace_attendees(
                attrs.evolve(SIGNED, attendees=(*SIGNED.attendees, LATE))
            )
            (second,) = await meetings.recordings()
        return [found.request.attendees for found in (first, second)]

    assert use(work, backend="ours") == [kept, (*kept, LATE) if identifies else ()]


def test_the_notes_of_a_meeting_are_replaced_while_it_is_recorded(
    recorders: dict[str, Recorder],
) -> None:
    async def work(meetings: MeetingService) -> tuple[str, ...]:
        async with await meetings.open_session(SIGNED) as session:
            await session.push(bytes(3_200))
            await meetings.replace_notes(attrs.evolve(SIGNED, notes=("It is cut short.",)))
            (recording,) = await meetings.recordings()
        return recording.provenance_notes

    assert use(work, backend="ours") == ("It is cut short.",)


def test_notes_and_files_of_a_meeting_that_is_not_stored_here_are_ignored(
    recorders: dict[str, Recorder], tmp_path: Path
) -> None:
    use(lambda meetings: meetings.replace_notes(SIGNED), backend="ours")
    use(lambda meetings: meetings.keep_original("m", tmp_path / "a.mp3"), backend="ours")
    assert recorders == {}


def test_attendees_of_a_meeting_that_is_not_stored_here_are_ignored(
    recorders: dict[str, Recorder],
) -> None:
    use(lambda meetings: meetings.replace_attendees(SIGNED), backend="ours")
    assert recorders == {}


def test_offline_backends_process_older_recordings_when_the_next_one_starts(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = stored(JobState.UPLOADING, "ours")
    recording.audio_path.write_bytes(bytes(3_200))
    monkeypatch.setattr(Recorder, "offline", True)

    async def work(meetings: MeetingService) -> None:
        session = await record(meetings)
        assert [found.id for found in recorders["ours"].processed] == [recording.id]
        await session.aclose()

    use(work, backend="ours")


def test_a_new_recording_does_not_wait_for_older_ones_of_other_backends(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(JobState.PROCESSING, "theirs")
    monkeypatch.setattr(Recorder, "offline", True)

    async def work(meetings: MeetingService) -> None:
        await (await record(meetings)).aclose()

    use(work, backend="ours")
    assert list(recorders) == ["ours"]


@pytest.mark.parametrize("call", ["open_session", "delete"])
def test_a_meeting_that_another_process_recovers_is_waited_for(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    stored(JobState.FAILED, "ours")
    locks: list[Lock] = []

    async def release(_: float) -> None:
        locks.pop().release()

    async def work(meetings: MeetingService) -> None:
        locks.append(await meetings.store.run(Store.lock_meeting, "m"))
        with monkeypatch.context() as patch:
            patch.setattr(anyio, "sleep", release)
            if call == "delete":
                await meetings.delete("m")
            else:
                await (await meetings.open_session(REQUEST)).aclose()

    use(work, backend="ours")


# --- failures ------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ThrottledError("not now"), UnavailableError("not now")])
def test_a_failure_that_may_pass_is_no_error_of_the_session_that_recorded(
    recorders: dict[str, Recorder], caplog: pytest.LogCaptureFixture, error: SpeechError
) -> None:
    async def work(meetings: MeetingService) -> list[JobState]:
        meetings.backend("ours")

        async def fail(_: Recording) -> None:
            raise error

        recorders["ours"].step = fail
        async with await record(meetings) as session:
            await session.finish()
        after = [(await meetings.recordings())[0].state]
        recorders["ours"].step = None
        return [*after, (await meetings.status("m")).state]

    assert use(work, backend="ours") == [JobState.PROCESSING] * 2
    assert len(recorders["ours"].processed) == 2, "the status query tries again"
    assert "could not be processed yet" in caplog.text


def test_a_failure_that_remains_is_an_error_of_the_session_that_recorded(
    recorders: dict[str, Recorder],
) -> None:
    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")

        async def fail(_: Recording) -> None:
            raise AuthenticationError("the key is wrong")

        recorders["ours"].step = fail
        async with await record(meetings) as session:
            with pytest.raises(AuthenticationError):
                await session.finish()

    use(work, backend="ours")


def test_older_recordings_that_cannot_be_processed_leave_no_session_open(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(JobState.PROCESSING, "ours")
    monkeypatch.setattr(Recorder, "offline", True)

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")

        async def fail(_: Recording) -> None:
            raise UnavailableError("not now")

        recorders["ours"].step = fail
        with pytest.raises(UnavailableError):
            await meetings.open_session(REQUEST)
        recorders["ours"].step = None
        await (await record(meetings)).aclose()  # the meeting is not locked
        assert len(await meetings.recordings()) == 2

    use(work, backend="ours")


def test_a_session_that_cannot_start_leaves_the_meeting_unlocked(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise UnavailableError("not now")

    async def work(meetings: MeetingService) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Recorder, "open_recording", refuse)
            with pytest.raises(UnavailableError):
                await meetings.open_session(REQUEST)
        await (await record(meetings)).aclose()

    use(work, backend="ours")


def test_a_closed_service_says_so(recorders: dict[str, Recorder]) -> None:
    async def work(meetings: MeetingService) -> None:
        await meetings.aclose()
        with pytest.raises(StoreError, match="closed"):
            await meetings.open_session(REQUEST)

    use(work, backend="ours")
    assert not recorders


def test_a_backend_that_cannot_be_closed_leaves_nothing_else_open(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def aclose(recorder: Recorder) -> None:
        closed.append(recorder.name)
        await RecordingBackend.aclose(recorder)
        if recorder.name == "first":
            raise UnavailableError("not now")

    monkeypatch.setattr(Recorder, "aclose", aclose)

    async def work(meetings: MeetingService) -> None:
        for name in ("first", "second"):
            meetings.backend(name)
        await meetings.recordings()
        with pytest.raises(UnavailableError):
            await meetings.aclose()
        assert meetings.store._store is None

    use(work)
    assert sorted(closed) == ["first", "second"]


def test_a_service_that_is_never_closed_causes_a_warning() -> None:
    meetings = MeetingService(load_settings())
    with pytest.warns(ResourceWarning, match="MeetingService was never closed"):
        del meetings


# --- the cost of a status query ------------------------------------------------------


def test_a_hundred_queries_open_one_store_and_create_one_backend(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(JobState.PROCESSING, "ours")
    opened: list[Path] = []
    open_store = Store.open

    def open_counted(_: type[Store], directory: Path, options: StoreOptions | None = None) -> Store:
        opened.append(directory)
        return open_store(directory, options)

    monkeypatch.setattr(Store, "open", classmethod(open_counted))

    async def work(meetings: MeetingService) -> None:
        for _ in range(100):
            await meetings.status("m")

    use(work, backend="ours")
    assert len(opened) == 1
    assert len(recorders) == 1
    assert len(recorders["ours"].processed) == 100


# --- recordings that lack audio -------------------------------------------------------


def test_an_abandoned_session_leaves_nothing_to_process(recorders: dict[str, Recorder]) -> None:
    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(REQUEST)
        await session.push(bytes(3_200))
        await meetings.abandon_session(session, REQUEST)
        (found,) = await meetings.store.run(Store.recordings, "m")
        assert found.state is JobState.DELETED
        assert not found.audio_path.exists()
        # The meeting is not locked any more.
        async with await meetings.open_session(REQUEST):
            pass

    use(work)


def test_a_session_that_cannot_be_abandoned_stays_cut_off(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(*_: object) -> None:
        raise StoreError("The disk is full.")

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(REQUEST)
        await session.push(bytes(3_200))
        with monkeypatch.context() as patched:
            patched.setattr(SqliteStore, "delete", delete)
            with pytest.raises(StoreError, match="The disk is full"):
                await meetings.abandon_session(session, REQUEST)
        (found,) = await meetings.store.run(Store.recordings, "m")
        assert found.state is JobState.UPLOADING
        await session.aclose()

    use(work)


def test_only_what_was_cut_off_is_discarded(recorders: dict[str, Recorder]) -> None:
    done, cut_off = stored(JobState.COMPLETED), stored(JobState.UPLOADING)

    async def work(meetings: MeetingService) -> None:
        await meetings.discard_cut_off("m")
        found = await meetings.store.run(Store.recordings, "m")
        states = {recording.id: recording.state for recording in found}
        assert states == {done.id: JobState.COMPLETED, cut_off.id: JobState.DELETED}
        async with await meetings.open_session(REQUEST):
            with pytest.raises(MeetingBusyError):
                await meetings.discard_cut_off("m")

    use(work)
