"""Deleting what completed and deleted recordings left at the service and in the container."""

from __future__ import annotations

import attrs

from speech_adapters.backends.batch.api import job_id
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import NAME, BatchOptions
from speech_adapters.backends.batch.progress import (
    BatchProgress,
    BatchStage,
    has_job,
    load_progress,
    readable_progress,
    save_progress,
)
from speech_adapters.backends.batch.submit import find_job
from speech_adapters.backends.batch.upload import Uploader
from speech_adapters.contract import JobState
from speech_adapters.store import AsyncStore, Recording, Store

__all__ = ["Cleanup"]


class Cleanup:
    """Deletes blobs and jobs of recordings.

    All calls may raise the errors of service, storage and store.

    Args:
        store: the meeting store.
        client: the service.
        uploader: the container for audio.
        options: the backend's options.
    """

    def __init__(
        self, store: AsyncStore, client: BatchClient, uploader: Uploader, options: BatchOptions
    ) -> None:
        self._store = store
        self._client = client
        self._uploader = uploader
        self._options = options

    async def discard(self, recording: Recording) -> bool:
        """Delete blobs and jobs of a deleted recording.

        Returns:
            Whether all are deleted: the service does not delete a job that is running.
        """
        progress = load_progress(recording)
        try:
            await self._uploader.delete(recording, progress)
        finally:
            # Even if the blobs cannot be deleted: the two are kept by different services.
            deleted = await self._delete_jobs(recording, progress)
        return deleted

    async def discard_audio(self, recording: Recording, progress: BatchProgress) -> None:
        """Delete the blobs of a completed recording, unless the options keep them."""
        after = attrs.evolve(progress, repeats=0, pending=())
        if not self._options.keep_audio:
            await self._uploader.delete(recording, progress)
            # The deletion of the meeting then needs no storage account.
            after = attrs.evolve(after, chunks=())
        await self._store.run(save_progress, recording.id, after)

    async def complete(
        self, recording: Recording, progress: BatchProgress, failed: tuple[int, ...]
    ) -> None:
        """Delete the blobs that a recording does not need once its transcript is stored.

        Those of the ``failed`` chunks are kept: a resumed meeting needs them.
        """
        if not failed:
            await self.discard_audio(recording, progress)
            await self._store.run(Store.cleaned, recording.id, JobState.COMPLETED)
            return
        # Before the blobs are deleted, which may fail: it says which parts can be resumed.
        after = attrs.evolve(progress.next_attempt(failed), repeats=0)
        await self._store.run(save_progress, recording.id, after)
        if not self._options.keep_audio:
            done = tuple(c for n, c in enumerate(progress.chunks) if n not in failed)
            await self._uploader.delete(recording, attrs.evolve(progress, chunks=done))

    async def _delete_jobs(self, recording: Recording, progress: BatchProgress) -> bool:
        """Delete the jobs of a deleted recording; return whether all of them are gone.

        The client refuses addresses at another resource than the configured one.
        """
        if not has_job(recording, progress):
            return True
        urls = {*progress.undeleted, *progress.earlier, progress.job_url} - {""}
        # What others of a job still need is deleted after the last of them has ended.
        used = await self._store.run(_used_jobs, recording.id) if _may_share(progress) else set()
        if progress.stage is BatchStage.SUBMITTING:
            if progress.submission in used:
                return False
            # Its address may never have been stored.
            job = await find_job(self._client, recording, progress)
            urls |= {job.url} if job is not None else set()
        # A list, so that all are tried even if one is still running.
        deleted = [
            job_id(url) not in used and await self._client.delete(url) for url in sorted(urls)
        ]
        return all(deleted)


def _may_share(progress: BatchProgress) -> bool:
    return bool(progress.shared or progress.submission)


def _used_jobs(store: Store, without: str) -> set[str]:
    """Return the ids of the jobs and submissions that open recordings, but one, wait for."""
    used = set[str]()
    for state, progress in readable_progress(store.open_states(NAME)):
        if state.id != without:
            used |= {job_id(url) for url in (progress.job_url, *progress.earlier)}
            used.add(progress.submission)
    return used - {""}
