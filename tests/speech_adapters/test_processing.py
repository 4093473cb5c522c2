"""The processing of recordings by their backends, one step at a time."""

from __future__ import annotations

import anyio
import pytest

from double.recorder import Recorder, record, stored, use
from speech_adapters.contract import JobState, MeetingStatus
from speech_adapters.errors import UnavailableError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Recording, Store


@pytest.mark.parametrize("left", [JobState.UPLOADING, JobState.PROCESSING])
def test_a_recording_stays_with_the_backend_that_recorded_it(
    recorders: dict[str, Recorder], left: JobState
) -> None:
    """Its audio was not meant for another one, and may have to stay on the machine."""
    recording = stored(left, "theirs")
    recording.audio_path.write_bytes(bytes(3_200))

    async def work(meetings: MeetingService) -> MeetingStatus:
        await (await record(meetings)).aclose()
        return await meetings.status("m")

    use(work, backend="ours")
    assert [found.id for found in recorders["theirs"].processed] == [recording.id]
    assert recording.id not in {found.id for found in recorders["ours"].processed}


def test_a_recording_that_is_assigned_to_another_backend_is_processed_there_at_once(
    recorders: dict[str, Recorder],
) -> None:
    async def work(meetings: MeetingService) -> None:
        first = recorders["first"] if meetings.backend("first") else None
        assert first is not None

        async def assign(recording: Recording) -> None:
            await meetings.store.run(Store.assign, recording.id, "second")

        first.step = assign
        await (await record(meetings)).aclose()

    use(work, backend="first")
    assert len(recorders["first"].processed) == 1
    assert [found.backend for found in recorders["second"].processed] == ["second"]


def test_a_backend_whose_own_name_differs_is_asked_once(
    recorders: dict[str, Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = stored(JobState.PROCESSING, "alias")
    monkeypatch.setattr(Recorder, "name", "ours")

    async def work(meetings: MeetingService) -> None:
        with anyio.fail_after(30):
            await meetings.process(recording.id)

    use(work)
    assert len(recorders["alias"].processed) == 1


def test_one_task_at_a_time_processes_a_recording(recorders: dict[str, Recorder]) -> None:
    async def work(meetings: MeetingService) -> None:
        recording = stored(JobState.PROCESSING, "ours")
        meetings.backend("ours")
        started, proceed = anyio.Event(), anyio.Event()

        async def step(_: Recording) -> None:
            started.set()
            await proceed.wait()

        recorders["ours"].step = step
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(meetings.process, recording.id)
            await started.wait()
            await meetings.process(recording.id)
            assert (await meetings.status("m")).state is JobState.PROCESSING
            proceed.set()
        assert len(recorders["ours"].processed) == 1

    use(work, backend="ours")


def test_a_step_that_fails_leaves_the_recording_unlocked_and_is_tried_again(
    recorders: dict[str, Recorder],
) -> None:
    stored(JobState.PROCESSING, "ours")

    async def work(meetings: MeetingService) -> None:
        meetings.backend("ours")

        async def fail(_: Recording) -> None:
            raise UnavailableError("not now")

        recorders["ours"].step = fail
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await meetings.status("m")

    use(work, backend="ours")
    assert len(recorders["ours"].processed) == 2
