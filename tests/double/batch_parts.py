"""The parts of the batch backend without a meeting service, on the doubles of its services."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
from azure.storage.blob import BlobServiceClient

from double.service import KEY, ServiceDouble
from speech_adapters import JobState, MeetingRequest, Mode
from speech_adapters.azure.http import KeyAuth, RetryPolicy, ServiceClient
from speech_adapters.backends.batch.api import Api
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.job_runner import JobRunner
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.progress import BatchProgress, dump_progress, load_progress
from speech_adapters.backends.batch.storage import Storage
from speech_adapters.backends.batch.upload import Uploader
from speech_adapters.store import AsyncStore, Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["ORIGIN", "Parts", "blob_names", "connected", "requests_for"]

ORIGIN = Provenance("batch", "test")


@attrs.frozen
class Parts:
    store: AsyncStore
    client: BatchClient
    storage: Storage
    uploader: Uploader
    runner: JobRunner
    connection: str

    async def record(
        self, sound: bytes = b"\x01\x00" * 16_000, meeting_id: str = "m", **request: Any
    ) -> str:
        """Record a meeting whose audio has ended; return the recording's id."""
        asked = MeetingRequest(meeting_id, mode=Mode.STORED, **request)
        recording = await self.store.run(Store.create, asked, "batch")
        recording.audio_path.write_bytes(sound)
        await self.store.run(Store.close_audio, recording.id, len(sound))
        return recording.id

    async def get(self, recording_id: str) -> Recording:
        return await self.store.run(Store.get, recording_id)

    async def progress(self, recording_id: str) -> BatchProgress:
        return load_progress(await self.get(recording_id))

    async def change(self, recording_id: str, **changes: Any) -> None:
        """Change the stored progress, as a process that died there would have left it."""
        progress = attrs.evolve(await self.progress(recording_id), **changes)
        state = dump_progress(progress)
        await self.store.run(Store.update, recording_id, backend_state=state)

    async def step(self, recording_id: str) -> JobState:
        """Process one step, and return the state after it."""
        await self.runner.step(await self.get(recording_id))
        return (await self.get(recording_id)).state

    def blobs(self, recording_id: str) -> list[str]:
        """Return the names of the recording's blobs in the container."""
        with BlobServiceClient.from_connection_string(self.connection) as service:
            container = service.get_container_client("speech-compat")
            return sorted(container.list_blob_names(name_starts_with=recording_id))


@asynccontextmanager
async def connected(
    folder: Path, connection: str, double: ServiceDouble, **changes: Any
) -> AsyncIterator[Parts]:
    """Connect the parts; keywords change options."""
    options = BatchOptions.model_validate(
        {"storage_connection_string": connection, "poll_seconds": 0.0, **changes}
    )
    store = AsyncStore(folder)
    service = ServiceClient(
        f"{double.url}/speechtotext", KeyAuth(KEY), RetryPolicy(attempts=2, first=0.0)
    )
    client = BatchClient(service, Api(options.api_version))
    storage = Storage(options, None)
    uploader = Uploader(store, storage, options, "auto")
    runner = JobRunner(store, client, uploader, options, ORIGIN)
    try:
        yield Parts(store, client, storage, uploader, runner, connection)
    finally:
        await client.aclose()
        await storage.aclose()
        await store.aclose()


def requests_for(double: ServiceDouble, pattern: str) -> int:
    """Return how many requests matched ``pattern``."""
    return sum(bool(re.search(pattern, line)) for line in double.requests)


def blob_names(connection: str, container: str) -> list[str]:
    """Return the names of a container's blobs, those with nothing but staged blocks too."""
    with BlobServiceClient.from_connection_string(connection) as service:
        found = service.get_container_client(container)
        if not found.exists():
            return []
        return [blob.name for blob in found.list_blobs(include=["uncommittedblobs"])]
