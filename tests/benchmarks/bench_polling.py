"""How many requests it takes to watch many batch meetings for an hour.

::

    python tests/benchmarks/bench_polling.py [--meetings 1000]

The clock is simulated, and so is the service: pages of 100 jobs, none of which ends.
Every minute somebody asks about every meeting.  Compares with one GET for each job each
minute; ends with 1 when it takes more than a twentieth of that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final
from unittest import mock

import anyio
import httpx

from speech_adapters.azure.http import ServiceClient
from speech_adapters.backends.batch.api import Api
from speech_adapters.backends.batch.client import BatchClient
from speech_adapters.backends.batch.job_runner import Journey
from speech_adapters.backends.batch.options import BatchOptions
from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store import Recording, Store
from speech_adapters.transcript import Provenance

__all__ = ["main"]

MAX_SHARE: Final = 1 / 20
_MINUTES: Final = 60
_PAGE: Final = 100
_BASE: Final = "https://service/speechtotext"


class _Service:
    """Lists its jobs page by page, and counts."""

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


def _meetings(store: Store, count: int) -> list[Recording]:
    recordings = []
    for number in range(count):
        recording = store.create(MeetingRequest(f"meeting {number}", mode=Mode.STORED), "batch")
        store.close_audio(recording.id, 32_000)
        job = f"{_BASE}/transcriptions/{number}"
        recordings.append(store.note(recording.id, job=job, polled="0"))
    return recordings


async def _watch(store: Store, service: _Service, recordings: list[Recording]) -> None:
    client = BatchClient(
        ServiceClient(_BASE, None, transport=httpx.MockTransport(service)), Api("2025-10-15")
    )
    journey = Journey(
        store, client, mock.Mock(), BatchOptions(), "auto", Provenance("batch", "2025-10-15")
    )
    begun = time.time()
    for minute in range(_MINUTES):
        with mock.patch("time.time", lambda minute=minute: begun + 60 * minute):
            for recording in recordings:
                await journey.advance(recording)
    await client.aclose()


def main() -> int:
    """Run the benchmark; gives 0 when the target is met."""
    parser = argparse.ArgumentParser(description="Count the requests of polling.")
    parser.add_argument("--meetings", type=int, default=1000)
    count = parser.parse_args().meetings
    service = _Service(count)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder)) as store:
        anyio.run(_watch, store, service, _meetings(store, count))
    one_by_one = count * _MINUTES
    share = service.requests / one_by_one
    print(f"{service.requests} requests; one for each job each minute would be {one_by_one}")
    print(f"{share:.4f} of that, a {1 / share:.0f}th (target: a {1 / MAX_SHARE:.0f}th)")
    return 1 if share > MAX_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
