"""Jobs that cannot be deleted with their meeting, and what they must not affect."""

from __future__ import annotations

import time

import attrs
import pytest
from starlette.responses import PlainTextResponse

from double.batch_parts import requests_for
from double.meetings import Properties, fetch, record, use
from double.service import Fault, ServiceDouble, running
from speech_adapters import JobState
from speech_adapters.backends.batch.progress import load_progress, save_progress
from speech_adapters.errors import MeetingNotFoundError
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store

HOUR = 3_600
REFUSED = Fault("DELETE", PlainTextResponse("no", 401), times=1_000)


async def leave_job(meetings: MeetingService) -> None:
    """Delete a meeting whose job is running, so that the job is left at the service."""
    await record(meetings, "deleted")
    await meetings.delete("deleted")
    assert await pending(meetings) == 1


async def pending(meetings: MeetingService, later: float = 0.0) -> int:
    due = await meetings.store.run(Store.due_cleanups, time.time() + 10 * HOUR + later)
    return len(due)


async def clean_up(meetings: MeetingService) -> None:
    """Make every cleanup due, and cause it by a status query of another meeting."""
    for recording in await meetings.store.run(Store.due_cleanups, time.time() + 10 * HOUR):
        await meetings.store.run(Store.clean_later, recording.id, 0.0)
    with pytest.raises(MeetingNotFoundError):
        await meetings.status("another")


def test_a_job_that_cannot_be_deleted_affects_no_other_meeting(
    properties: Properties, double: ServiceDouble, caplog: pytest.LogCaptureFixture
) -> None:
    double.polls = None
    double.faults = [REFUSED]

    async def work(meetings: MeetingService) -> int:
        # The running job is not asked for: the meeting's own deletion finds no job by its name.
        await record(meetings, "deleted")
        recording = await meetings.store.run(Store.newest, "deleted")
        await meetings.store.run(Store.delete, recording.id)
        double.polls = 1
        for name in ("first", "second"):
            await record(meetings, name)
            assert (await fetch(meetings, name)).utterances
        return await pending(meetings)

    assert use(properties(), work) == 1
    assert "is not deleted yet" in caplog.text
    assert requests_for(double, "DELETE") == 1, "it is not tried with every query"


def test_blobs_are_deleted_even_if_the_job_cannot_be(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        backend = meetings.backend()
        recording = await meetings.store.run(Store.newest, "m")
        uploader = (await backend._connect()).runner.cleanup._uploader  # type: ignore[attr-defined]
        remove = uploader._storage.delete

        async def noted(name: str) -> None:
            await remove(name)
            deleted.append(name)

        monkeypatch.setattr(uploader._storage, "delete", noted)
        double.faults = [REFUSED]
        await meetings.store.run(Store.delete, recording.id)
        await clean_up(meetings)
        assert deleted == [f"{recording.id}.0.all.wav"]
        assert await pending(meetings) == 1, "the job is still to be deleted"

    use(properties(), work)


def test_a_job_is_deleted_even_if_its_blobs_cannot_be(
    properties: Properties, double: ServiceDouble, storage: str
) -> None:
    wrong = storage.replace("AccountKey=Eby8", "AccountKey=Abcd")

    async def delete(meetings: MeetingService) -> None:
        recording = await meetings.store.run(Store.newest, "m")
        double.finish(double.submitted[0])
        await meetings.store.run(Store.delete, recording.id)
        await meetings._deleter.clean_up(recording.id)
        assert await pending(meetings) == 1, "the blob is still to be deleted"

    use(properties(), record)
    use(properties(storage_connection_string=wrong), delete)
    assert double.jobs == {}


@pytest.mark.parametrize(("hours", "left"), [(95, 1), (97, 0)])
def test_a_deferred_deletion_ends_with_the_time_to_live_of_the_job(
    properties: Properties,
    double: ServiceDouble,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
    left: int,
) -> None:
    """The service keeps a job for 48 hours after its end, which takes 48 hours at most."""
    double.polls = None
    use(properties(), leave_job)
    double.faults = [REFUSED]
    before = requests_for(double, "DELETE")
    now = time.time() + hours * HOUR
    monkeypatch.setattr(time, "time", lambda: now)

    async def work(meetings: MeetingService) -> int:
        await clean_up(meetings)
        return await pending(meetings)

    assert use(properties(), work) == left
    assert requests_for(double, "DELETE") == before + left, "no request once it is over"


def test_the_time_to_live_is_known_even_if_the_jobs_address_was_lost(
    properties: Properties, double: ServiceDouble
) -> None:
    double.faults = [Fault("POST .*submit", PlainTextResponse("busy", 503))]

    async def work(meetings: MeetingService) -> float:
        await record(meetings)
        return load_progress(await meetings.store.run(Store.newest, "m")).job_until

    assert use(properties(ttl_hours="6"), work) == pytest.approx(time.time() + 54 * HOUR, abs=60)


def test_a_deletion_that_is_over_needs_no_connection(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls = None

    async def delete(meetings: MeetingService) -> None:
        await leave_job(meetings)
        (recording,) = await meetings.store.run(Store.due_cleanups, time.time() + 10 * HOUR)
        progress = load_progress(recording)
        changed = attrs.evolve(progress, chunks=(), job_until=time.time() - 1)
        await meetings.store.run(save_progress, recording.id, changed)

    async def clean(meetings: MeetingService) -> int:
        (recording,) = await meetings.store.run(Store.due_cleanups, time.time() + 10 * HOUR)
        await meetings._deleter.clean_up(recording.id)
        return await pending(meetings)

    use(properties(), delete)
    double.requests.clear()
    assert use(properties(storage_connection_string="nonsense"), clean) == 0
    assert double.requests == []


def test_a_job_is_deleted_only_at_the_resource_that_holds_it(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls = None
    use(properties(), leave_job)
    double.finish(double.submitted[0])
    other = ServiceDouble()

    async def work(meetings: MeetingService) -> int:
        await clean_up(meetings)
        return await pending(meetings)

    with running(other) as url:
        before = len(double.requests)
        assert use(properties(endpoint=url), work) == 1
        assert requests_for(other, "DELETE") == 0
        assert len(double.requests) == before, "its credential may not be for this resource"
    assert use(properties(), work) == 0
    assert double.submitted[0] not in double.jobs


def test_a_meeting_with_a_damaged_state_affects_no_other_meeting(
    properties: Properties, double: ServiceDouble
) -> None:
    async def work(meetings: MeetingService) -> JobState:
        await record(meetings, "damaged")
        damaged = await meetings.store.run(Store.newest, "damaged")
        await meetings.store.run(Store.update, damaged.id, backend_state="{")
        await record(meetings)
        await fetch(meetings)
        return (await meetings.status("m")).state

    assert use(properties(), work) is JobState.COMPLETED
