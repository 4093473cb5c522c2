"""Deletion of batch meetings, here and at the service."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from azure.storage.blob import BlobClient, BlobServiceClient

from double.meetings import SOUND, Properties, record, use, whole
from double.service import ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode
from speech_adapters.errors import (
    MeetingNotFoundError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.recording.backend import RecordingBackend
from speech_adapters.store import Store


def test_a_running_job_is_deleted_later_but_the_meeting_at_once(
    properties: Properties, double: ServiceDouble
) -> None:
    double.polls = 100

    async def work(meetings: MeetingService) -> None:
        await record(meetings)
        await meetings.delete("m")
        assert (await meetings.status("m")).state is JobState.DELETED
        assert len(double.jobs) == 1
        double.jobs[double.submitted[0]].status = "Succeeded"
        with pytest.raises(MeetingNotFoundError):
            await meetings.status("another")
        assert double.jobs == {}

    use(properties(), work)


def test_a_final_job_is_deleted_too(properties: Properties, double: ServiceDouble) -> None:
    async def work(meetings: MeetingService) -> None:
        await whole(meetings)
        await meetings.delete("m")
        with pytest.raises(MeetingNotFoundError, match="deleted already"):
            await meetings.delete("m")

    use(properties(), work)
    assert double.jobs == {}


@pytest.mark.parametrize("here", [True, False])
def test_a_running_job_of_another_machine_causes_a_warning(
    properties: Properties,
    double: ServiceDouble,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    here: bool,
) -> None:
    double.polls = None
    use(properties(), record)
    folder = properties()["state_dir"] if here else str(tmp_path / "elsewhere")
    use({**properties(), "state_dir": folder}, lambda meetings: meetings.delete("m"))
    warnings = [record.getMessage() for record in caplog.records]
    if here:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert "cannot be deleted now. The service deletes it 48 hours" in warnings[0]


def test_a_deleted_meeting_that_never_reached_the_service_needs_no_connection(
    properties: Properties, double: ServiceDouble
) -> None:
    unusable = properties(storage_connection_string="nonsense")

    async def work(meetings: MeetingService) -> float | None:
        await (await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))).aclose()
        backend = meetings.backend()
        assert isinstance(backend, RecordingBackend)
        recording = await meetings.store.run(Store.newest, "m")
        return await backend.discard(recording)

    assert use(unusable, work) is None
    assert double.requests == []


def test_a_meeting_is_deleted_while_it_is_uploaded(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload holds the recording's lock, so it cleans up after itself."""
    real = BlobClient.stage_block
    started, deleted = threading.Event(), threading.Event()

    def slow(blob: BlobClient, block_id: str, data: bytes) -> Any:
        started.set()
        assert deleted.wait(10)
        return real(blob, block_id, data)

    monkeypatch.setattr(BlobClient, "stage_block", slow)

    async def work(meetings: MeetingService) -> None:
        session = await meetings.open_session(MeetingRequest("m", mode=Mode.STORED))
        await session.push(SOUND)
        recording = await meetings.store.run(Store.newest, "m")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.finish)
            await anyio.to_thread.run_sync(started.wait)
            await meetings.store.run(Store.delete, recording.id)
            deleted.set()
        await session.aclose()
        assert await meetings.store.run(Store.due_cleanups, time.time()) == []
        with BlobServiceClient.from_connection_string(
            properties()["backends.batch.storage_connection_string"]
        ) as service:
            container = service.get_container_client("speech-compat")
            assert list(container.list_blob_names(name_starts_with=recording.id)) == []

    use(properties(), work)
    assert double.submitted == []
