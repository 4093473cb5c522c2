"""Asking the service about jobs: when, and about which of them at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from speech_adapters.azure.http_errors import LONGEST_PAUSE
from speech_adapters.backends.batch.api import Job, job_id
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.options import NAME
from speech_adapters.backends.batch.progress import readable_progress
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
        # The final jobs of the last list, by id, each with the recordings that have not received
        # it yet.  They do not change any more, so one list serves all meetings that end together,
        # instead of one list for each.
        self._final_jobs: dict[str, tuple[Job, set[str]]] = {}
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

    def has_final(self, recording_id: str, job_url: str) -> bool:
        """Return whether :meth:`query` returns a final job without a request."""
        return recording_id in self._final_jobs.get(job_id(job_url), (None, ()))[1]

    async def query(self, recording: Recording, job_url: str) -> Job | None:
        """Return the job now; if several jobs are open, one list is read for all of them."""
        key = job_id(job_url)
        known = self._take_final(key, recording.id)
        if known is not None:
            return known
        jobs, since = await self._store.run(_open_jobs)
        others = {other: job for other, job in jobs.items() if other != recording.id}
        if any(job != key for job in others.values()):
            listed, pause = await self._client.list_since(since)
            found = {job_id(job.url): job for job in listed}
        else:
            found, pause = await self._read_one(key, job_url)
            if key not in found:
                await self.poll_later([recording.id], pause)
                return None
        self._keep_final(others, found)
        # The next status query of a meeting must not be postponed if its job is final, or if
        # nothing is known about it.
        waiting = [o for o, job in others.items() if job in found and not found[job].final]
        await self.poll_later([recording.id, *waiting], pause)
        # A new job may be missing in the list.
        return found.get(key) or (await self._client.get(job_url))[0]

    async def query_all(
        self, jobs: Mapping[str, str], created: datetime
    ) -> tuple[dict[str, Job], float]:
        """Read one list for many recordings; final jobs are kept for :meth:`query`.

        Args:
            jobs: the address of each recording's job, by the recording's id.
            created: when the oldest of the recordings began.

        Returns:
            The jobs that are not final, by the recordings' ids, and the pause in seconds that
            the service requests.
        """
        ids = {recording_id: job_id(url) for recording_id, url in jobs.items()}
        listed, pause = await self._client.list_since(created - _CLOCK_DIFFERENCE)
        found = {job_id(job.url): job for job in listed}
        self._keep_final(ids, found)
        open_jobs = {key: found[job] for key, job in ids.items() if job in found}
        return {key: job for key, job in open_jobs.items() if not job.final}, pause

    async def poll_later(
        self, recording_ids: Sequence[str], pause: float, steps: Mapping[str, str] | None = None
    ) -> None:
        """Postpone the next poll of recordings, and store their steps, in one transaction."""
        # The pause is limited here too, whatever the client returns: the store keeps it.
        pause = max(self._poll_seconds, min(pause, LONGEST_PAUSE))
        now = time.monotonic()
        # Pauses that are over are dropped, so that final meetings are not kept for ever.
        current = {key: until for key, until in self._pauses.items() if until > now}
        self._pauses = current | dict.fromkeys(recording_ids, now + pause)
        await self._store.run(Store.poll_later, recording_ids, time.time() + pause, steps)

    async def _read_one(self, key: str, job_url: str) -> tuple[dict[str, Job], float]:
        job, pause = await self._client.get(job_url)
        return {} if job is None else {key: job}, pause

    def _keep_final(self, jobs: Mapping[str, str], found: Mapping[str, Job]) -> None:
        """Keep the final jobs among the ``found`` for the recordings that ``jobs`` has."""
        self._final_jobs = {}
        for recording_id, key in jobs.items():
            if key in found and found[key].final:
                kept = self._final_jobs.setdefault(key, (found[key], set()))
                kept[1].add(recording_id)

    def _take_final(self, key: str, recording_id: str) -> Job | None:
        """Return a kept job, once to each recording: one that is resumed reads it anew."""
        job, waiting = self._final_jobs.get(key, (None, set[str]()))
        if recording_id not in waiting:
            return None
        waiting.discard(recording_id)
        if not waiting:
            del self._final_jobs[key]
        return job


def _open_jobs(store: Store) -> tuple[dict[str, str], datetime]:
    """Return the ids of all submitted jobs that are not final here, by recording.

    The second value is the time since when these jobs were created.
    """
    jobs, oldest = dict[str, str](), datetime.now(UTC)
    for recording, progress in readable_progress(store.open_states(NAME)):
        if progress.job_url:
            jobs[recording.id] = job_id(progress.job_url)
            # A job is created after its recording, and the clocks may differ.
            oldest = min(oldest, recording.created)
    return jobs, oldest - _CLOCK_DIFFERENCE
