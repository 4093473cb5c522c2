"""Asking the service about jobs: when, and about which of them at a time."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from speech_adapters.azure.http_errors import LONGEST_PAUSE
from speech_adapters.backends.batch.api import Job, job_id
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import NAME
from speech_adapters.backends.batch.progress import load_progress
from speech_adapters.errors import StoreError
from speech_adapters.store import AsyncStore, Recording, Store

__all__ = ["JobPoller"]

# By which the clocks of this machine and of the service may differ.
_CLOCK_DIFFERENCE: Final = timedelta(days=1)


class JobPoller:
    """Asks about the jobs of recordings, with a pause between two requests for each.

    Args:
        store: the meeting store, which keeps the pauses for other processes.
        client: the service.
        poll_seconds: the shortest pause.
    """

    def __init__(self, store: AsyncStore, client: BatchClient, poll_seconds: float) -> None:
        self._store = store
        self._client = client
        self._poll_seconds = poll_seconds
        # The final jobs of the last list, by id.  They do not change any more, so one list
        # serves all meetings that end together, instead of one list for each.
        self._final_jobs: dict[str, Job] = {}
        # time.monotonic() before which this process does not ask again, by recording.
        self._pauses: dict[str, float] = {}

    def is_due(self, recording: Recording) -> bool:
        """Return whether the service may be asked about a recording's job.

        The stored time is for other processes, whose clocks may differ, as this one's may
        have been set.  A time that no process could have meant is ignored.
        """
        if time.monotonic() < self._pauses.get(recording.id, 0.0):
            return False
        wait = recording.next_poll - time.time()
        return not 0 < wait <= max(self._poll_seconds, LONGEST_PAUSE)

    async def query(self, recording: Recording, job_url: str) -> Job | None:
        """Return the job now; if several jobs are open, one list is read for all of them."""
        key = job_id(job_url)
        known = self._final_jobs.pop(key, None)
        if known is not None:
            return known
        jobs, since = await self._store.run(_open_jobs)
        others = {other: job for other, job in jobs.items() if other != recording.id}
        if not others:
            job, pause = await self._client.get(job_url)
            await self._poll_later([recording.id], pause)
            return job
        listed, pause = await self._client.list_since(since)
        found = {job_id(job.url): job for job in listed}
        self._final_jobs = {
            other: found[other]
            for other in others.values()
            if other in found and found[other].final
        }
        # The next status query of a meeting must not be postponed if its job is final, or if
        # nothing is known about it.
        waiting = [o for o, job in others.items() if job in found and not found[job].final]
        await self._poll_later([recording.id, *waiting], pause)
        # A new job may be missing in the list.
        return found.get(key) or (await self._client.get(job_url))[0]

    async def _poll_later(self, recording_ids: list[str], pause: float) -> None:
        # The pause is limited here too, whatever the client returns: the store keeps it.
        pause = max(self._poll_seconds, min(pause, LONGEST_PAUSE))
        now = time.monotonic()
        # Pauses that are over are dropped, so that final meetings are not kept for ever.
        current = {key: until for key, until in self._pauses.items() if until > now}
        self._pauses = current | dict.fromkeys(recording_ids, now + pause)
        await self._store.run(Store.poll_later, recording_ids, time.time() + pause)


def _open_jobs(store: Store) -> tuple[dict[str, str], datetime]:
    """Return the ids of all submitted jobs that are not final here, by recording.

    The second value is the time since when these jobs were created.
    """
    jobs, oldest = dict[str, str](), datetime.now(UTC)
    for recording in store.open_recordings(NAME):
        # A damaged progress concerns its own meeting only, whose next step reports it.
        with suppress(StoreError):
            url = load_progress(recording).job_url
            if url:
                jobs[recording.id] = job_id(url)
                # A job is created after its recording, and the clocks may differ.
                oldest = min(oldest, recording.created)
    return jobs, oldest - _CLOCK_DIFFERENCE
