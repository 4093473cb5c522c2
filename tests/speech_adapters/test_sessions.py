"""Sessions that continue the meeting of a program that died."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import attrs
import pytest

from double.recognition import SECOND, audio
from double.recorder import DONE, REQUEST, Recorder, stored, use
from speech_adapters import sessions as module
from speech_adapters.audio import PcmFormat
from speech_adapters.config import load_settings
from speech_adapters.contract import Capabilities, JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingBusyError, MeetingNotFoundError, StoreError
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.session import SpoolSession
from speech_adapters.recording.spool import SpoolReader
from speech_adapters.store import Recording, Store
from speech_adapters.store.recovery import CUT_SHORT

pytestmark = pytest.mark.usefixtures("recorders")


def cut_off(seconds: float = 3.0, request: MeetingRequest = REQUEST) -> Recording:
    """Leave a recording in the store as a program that was killed."""
    with Store.open(load_settings().state_dir) as store:
        recording = store.create(request, "ours")
    recording.audio_path.write_bytes(audio(0, seconds, request.audio.channels))
    return recording


async def recordings(meetings: MeetingService) -> list[Recording]:
    return await meetings.store.run(Store.recordings, "m")


def files() -> set[str]:
    return {path.name for path in (load_settings().state_dir / "audio").iterdir()}


@pytest.mark.parametrize("channels", [1, 8])
def test_a_recording_goes_on_with_the_audio_up_to_the_position(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 10_000)
    request = attrs.evolve(REQUEST, audio=PcmFormat(channels=channels))
    old = cut_off(3.0, request)

    async def work(meetings: MeetingService) -> tuple[list[Recording], bytes]:
        async with await meetings.take_over_session(request, 2 * SECOND) as session:
            await session.push(audio(2.0, 1.5, channels))
            await session.finish()
        found = await recordings(meetings)
        return found, found[0].audio_path.read_bytes()

    (new, deleted), sound = use(work, backend="ours")
    assert sound == audio(0, 3.5, channels)
    assert (new.state, new.audio_bytes, new.notes) == (JobState.PROCESSING, len(sound), ())
    assert (new.created, new.replaces) == (old.created, "")
    assert (deleted.id, deleted.state) == (old.id, JobState.DELETED)
    assert files() == {new.audio_path.name}


def test_no_block_is_larger_than_the_limit_or_cuts_a_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1_000)
    request = attrs.evolve(REQUEST, audio=PcmFormat(channels=3))
    cut_off(0.5, request)
    blocks: list[int] = []
    push = SpoolSession.push

    async def noted(session: SpoolSession, sound: bytes) -> None:
        blocks.append(len(sound))
        await push(session, sound)

    monkeypatch.setattr(SpoolSession, "push", noted)

    async def work(meetings: MeetingService) -> None:
        await (await meetings.take_over_session(request, SECOND // 2)).aclose()

    use(work, backend="ours")
    assert set(blocks) == {996, 48_000 % 996}
    assert sum(blocks) == 48_000


def test_a_recording_that_a_query_has_ended_is_continued_too() -> None:
    old = cut_off()

    async def work(meetings: MeetingService) -> list[Recording]:
        assert (await meetings.status("m")).state is JobState.PROCESSING
        await (await meetings.take_over_session(REQUEST, SECOND)).aclose()
        return await recordings(meetings)

    new, deleted = use(work, backend="ours")
    assert (new.audio_bytes, deleted.id) == (32_000, old.id)
    assert new.notes == ()


def _delete(store: Store, recording: Recording) -> None:
    store.delete(recording.id)


def _complete(store: Store, recording: Recording) -> None:
    store.close_audio(recording.id, 96_000, (CUT_SHORT,))
    store.complete(recording.id, DONE)
    recording.audio_path.unlink()


def _end(store: Store, recording: Recording) -> None:
    store.close_audio(recording.id, 96_000)


def _nothing(store: Store, recording: Recording) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "request_", "backend", "position", "reason"),
    [
        (_nothing, REQUEST, "ours", 3 * SECOND + 1, "audio ends at 30000000 ticks"),
        (_nothing, attrs.evolve(REQUEST, audio=PcmFormat(8_000)), "ours", 1, "another format"),
        (_nothing, REQUEST, "theirs", 1, "the backend ours recorded it"),
        (_nothing, attrs.evolve(REQUEST, mode=Mode.LIVE), "ours", 1, "not in the meeting store"),
        (_nothing, attrs.evolve(REQUEST, meeting_id="other"), "ours", 1, "There is no meeting"),
        (_end, REQUEST, "ours", 1, "not cut off, its state is Processing"),
        (_delete, REQUEST, "ours", 1, "not cut off, its state is Deleted"),
        (_complete, REQUEST, "ours", 1, "audio is not here"),
    ],
)
def test_what_cannot_be_continued_stays_as_it_is(
    prepare: Callable[[Store, Recording], None],
    request_: MeetingRequest,
    backend: str,
    position: int,
    reason: str,
) -> None:
    old = cut_off()
    with Store.open(load_settings().state_dir) as store:
        prepare(store, old)
        before = store.recordings()

    async def work(meetings: MeetingService) -> None:
        with pytest.raises(MeetingNotFoundError, match=reason):
            await meetings.take_over_session(request_, position)
        assert await meetings.store.run(Store.recordings) == before
        (await meetings.store.run(Store.lock_meeting, "m")).release()

    use(work, backend=backend)


def test_a_meeting_that_is_being_recorded_is_not_taken_over() -> None:
    async def work(meetings: MeetingService) -> None:
        async with await meetings.open_session(REQUEST) as session:
            await session.push(audio(0, 1))
            with pytest.raises(MeetingBusyError):
                await meetings.take_over_session(REQUEST, SECOND)

    use(work, backend="ours")


# --- take-overs that end early -----------------------------------------------------------


async def _fail(*_: object) -> None:
    raise StoreError("The disk is full.")


async def _cancel(*_: object) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("break_off", "error"), [(_fail, StoreError), (_cancel, TimeoutError)], ids=["error", "cancel"]
)
@pytest.mark.parametrize("at", ["push", "replace"])
def test_a_take_over_that_fails_leaves_the_old_recording(
    monkeypatch: pytest.MonkeyPatch,
    break_off: Callable[..., Awaitable[None]],
    error: type[Exception],
    at: str,
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 16_000)
    old = cut_off()
    copy, processed = module._copy, list[Recording]()

    async def broken(*arguments: object) -> None:
        if at == "replace":
            await copy(*arguments)  # type: ignore[arg-type]
        else:
            reader, session, *_ = arguments
            assert isinstance(reader, SpoolReader)
            await session.push(reader.read(16_000))  # type: ignore[attr-defined]
        await break_off()

    async def note(recording: Recording) -> None:
        processed.append(recording)

    async def work(meetings: MeetingService) -> list[Recording]:
        meetings.backend("ours").step = note  # type: ignore[attr-defined]
        with monkeypatch.context() as patch:
            patch.setattr(module, "_copy", broken)
            with pytest.raises(error):
                with anyio.fail_after(0.2):
                    await meetings.take_over_session(REQUEST, 2 * SECOND)
        assert await meetings.store.run(Store.newest, "m") == old
        assert processed == []
        assert files() == {old.audio_path.name}
        await (await meetings.take_over_session(REQUEST, 2 * SECOND)).aclose()
        return await recordings(meetings)

    new, *others = use(work, backend="ours")
    assert (new.audio_bytes, new.state) == (64_000, JobState.PROCESSING)
    assert {found.state for found in others} == {JobState.DELETED}


@pytest.mark.parametrize("state", [JobState.UPLOADING, JobState.PROCESSING, JobState.COMPLETED])
@pytest.mark.parametrize("call", ["status", "open_session", "take_over_session"])
def test_a_copy_of_a_program_that_died_counts_for_nothing(state: JobState, call: str) -> None:
    old = cut_off()
    with Store.open(load_settings().state_dir) as store:
        half = store.create(REQUEST, "ours", replaces=old.id)
        half.audio_path.write_bytes(audio(0, 1))
        # As a worker does that outlived the program.
        if state is not JobState.UPLOADING:
            store.close_audio(half.id, 32_000, (CUT_SHORT,))
        if state is JobState.COMPLETED:
            store.complete(half.id, DONE)
        assert [found.id for found in store.recordings("m")] == [old.id, half.id]
        assert store.newest("m").id == old.id
        assert [found.recording_id for found in store.summaries("", 9)] == [old.id]

    async def work(meetings: MeetingService) -> Recording:
        if call == "status":
            await meetings.status("m")
        elif call == "open_session":
            await (await meetings.open_session(REQUEST)).aclose()
        else:
            await (await meetings.take_over_session(REQUEST, 2 * SECOND)).aclose()
        assert (await meetings.store.run(Store.get, half.id)).state is JobState.DELETED
        assert half.audio_path.name not in files()
        return await meetings.store.run(Store.get, old.id)

    replaced = use(work, backend="ours")
    ended = JobState.DELETED if call == "take_over_session" else JobState.PROCESSING
    assert replaced.state is ended


def test_live_events_of_a_take_over_are_those_of_the_new_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Recorder, "capabilities", Capabilities(live=True, stored=True))
    both = attrs.evolve(REQUEST, mode=Mode.BOTH)
    cut_off(3.0, both)

    async def work(meetings: MeetingService) -> list[Recording]:
        async with await meetings.take_over_session(both, SECOND) as session:
            await session.finish()
            assert [event async for event in session.events()] == []
        return await recordings(meetings)

    new, _ = use(work, backend="ours")
    assert (new.request.mode, new.audio_bytes) == (Mode.BOTH, 32_000)


def test_a_completed_recording_is_never_replaced_by_mistake() -> None:
    recording = stored(JobState.COMPLETED, "ours")

    async def work(meetings: MeetingService) -> None:
        with pytest.raises(MeetingNotFoundError, match="not cut off"):
            await meetings.take_over_session(REQUEST, 1)
        assert await meetings.transcript("m") == DONE
        assert await meetings.store.run(Store.newest, "m") == recording

    use(work, backend="ours")
