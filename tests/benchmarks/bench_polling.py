"""The number of requests that it takes to watch many batch meetings for an hour.

::

    python tests/benchmarks/bench_polling.py [--meetings 1000]

The clock is simulated, and so is the service: pages of 100 jobs, none of which ends.
The status of every meeting is queried every minute.  Compares with one GET for each job
each minute; the exit code is 1 for more than a twentieth of that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from unittest import mock

import anyio
import httpx

from speech_adapters.azure.http import ServiceClient
from speech_adapters.backends.batch import polling
from speech_adapters.backends.batch.api import Api
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.job_runner import JobRunner
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.backends.batch.progress import BatchProgress, BatchStage, dump_progress
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store import AsyncStore, Store
from speech_adapters.transcript import Provenance

__all__ = ["main"]

MAX_SHARE: Final = 1 / 20
_MINUTES: Final = 60
_PAGE: Final = 100
_BASE: Final = "https://service/speechtotext"


class _Service:
    """Returns its jobs page by page, and counts the requests."""

    def __init__(self, count: int) -> None:
        self.requests = 0
        self._jobs = [
            {"self": f"{_BASE}/transcriptions/{number}", "status": "Running"}
            for number in range(count)
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        skip = int(request.url.params.get("skip", "0"))
        page = {"values": self._jobs[skip : skip + _PAGE]}
        if skip + _PAGE < len(self._jobs):
            page["@nextLink"] = f"{_BASE}/transcriptions?skip={skip + _PAGE}"  # type: ignore[assignment]
        return httpx.Response(200, json=page)


def _meetings(store: Store, count: int) -> list[str]:
    """Create recordings whose jobs are submitted; return their ids."""
    recordings = []
    for number in range(count):
        recording = store.create(MeetingRequest(f"meeting {number}", mode=Mode.STORED), "batch")
        store.close_audio(recording.id, 32_000)
        job = f"{_BASE}/transcriptions/{number}"
        progress = BatchProgress(BatchStage.SUBMITTED, job_url=job)
        store.update(recording.id, backend_state=dump_progress(progress))
        recordings.append(recording.id)
    return recordings


async def _watch(folder: Path, service: _Service, recordings: list[str]) -> None:
    store = AsyncStore(folder)
    client = BatchClient(
        ServiceClient(_BASE, None, transport=httpx.MockTransport(service)), Api("2025-10-15")
    )
    runner = JobRunner(
        store, client, mock.Mock(), BatchOptions(), Provenance("batch", "2025-10-15")
    )
    start, begin = time.time(), time.monotonic()
    for minute in range(_MINUTES):
        now, elapsed = start + 60 * minute, begin + 60 * minute
        # Both clocks of the pauses; the event loop keeps its own.
        clock = SimpleNamespace(time=lambda now=now: now, monotonic=lambda now=elapsed: now)
        with mock.patch("time.time", clock.time), mock.patch.object(polling, "time", clock):
            for recording_id in recordings:
                # As the meeting service does, which reads the state after it has the lock.
                await runner.step(await store.run(Store.get, recording_id))
    await client.aclose()
    await store.aclose()


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    parser = argparse.ArgumentParser(description="Count the requests of polling.")
    parser.add_argument("--meetings", type=int, default=1000)
    count = parser.parse_args().meetings
    service = _Service(count)
    with tempfile.TemporaryDirectory() as folder:
        with Store.open(Path(folder)) as store:
            recordings = _meetings(store, count)
        anyio.run(_watch, Path(folder), service, recordings)
    one_by_one = count * _MINUTES
    share = service.requests / one_by_one
    print(f"{service.requests} requests; one for each job each minute would be {one_by_one}")
    print(f"{share:.4f} of that, a {1 / share:.0f}th (target: a {1 / MAX_SHARE:.0f}th)")
    return 1 if share > MAX_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
