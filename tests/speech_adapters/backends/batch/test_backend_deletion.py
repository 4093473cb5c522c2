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

from double.meetings import SOUND, Properties, fetch, record, use, whole
from double.service import ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode
from speech_adapters.backends.batch.cleanup import Cleanup
from speech_adapters.backends.batch.options import batch_options
from speech_adapters.backends.batch.storage import Storage
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


def blobs(properties: Properties, recording: str) -> list[str]:
    """Return the names of a recording's blobs, those with nothing but staged blocks too."""
    connection = properties()["backends.batch.storage_connection_string"]
    with BlobServiceClient.from_connection_string(connection) as service:
        found = service.get_container_client("speech-compat").list_blobs(
            name_starts_with=recording, include=["uncommittedblobs"]
        )
        return [blob.name for blob in found]


@pytest.mark.parametrize("keep", [False, True])
def test_a_process_that_dies_after_the_completion_leaves_no_blob(
    properties: Properties, double: ServiceDouble, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    class KilledError(BaseException):
        pass

    async def die(*_: object) -> None:
        raise KilledError

    async def fetch_and_die(meetings: MeetingService) -> None:
        await record(meetings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Cleanup, "discard_audio", die)
            with pytest.raises(KilledError):
                await fetch(meetings)

    settings = properties(keep_audio=str(keep))
    use(settings, fetch_and_die)

    async def list_meetings(meetings: MeetingService) -> Any:
        (found,) = await meetings.recordings()
        assert found.state is JobState.COMPLETED
        return found.id

    recording = use(settings, list_meetings)
    assert bool(blobs(properties, recording)) is keep
    assert len(double.jobs) == 1, "only the deletion removes the job"


def test_staged_blocks_of_an_upload_that_was_cut_off_are_deleted(
    properties: Properties, storage: str, tmp_path: Path
) -> None:
    name = f"{tmp_path.name}.wav"
    with BlobServiceClient.from_connection_string(storage) as service:
        container = service.get_container_client("speech-compat")
        if not container.exists():
            container.create_container()
        container.get_blob_client(name).stage_block("MDAwMDAwMDA=", SOUND)
    assert blobs(properties, name) == [name]

    async def work(meetings: MeetingService) -> None:
        store = Storage(batch_options(meetings.settings), None)
        for _ in range(2):
            await store.delete(name)
        await store.aclose()

    use(properties(), work)
    assert blobs(properties, name) == []
