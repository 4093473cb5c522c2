"""What a status query costs in a store with many completed meetings.

::

    python tests/benchmarks/bench_status.py [--meetings 100000]

Measured with the ``batch`` backend are ``MeetingService.status`` of a completed meeting,
the same of a meeting whose job the service is processing and whose next poll is due in an
hour (which is what a waiting program causes most of the time), and the list of open jobs
that a poll reads when it is due.  Nothing listens at the endpoint, so a status query that
sent a request would fail.

Compares a store with that many completed meetings with one of ten, in turns within one run,
the best round of each.  The exit code is 1 if a query costs 1.5 times as much.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio

from speech_adapters.backends.batch.progress import BatchProgress, BatchStage, dump_progress
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState, MeetingRequest, Mode
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.store.sqlite import SqliteStore
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["main"]

MAX_RATIO: Final = 1.5
_FEW: Final = 10
_OPEN: Final = 5
_ROUNDS: Final = 20
_REPETITIONS: Final = 50
_HOUR: Final = 3600.0
_ENDPOINT: Final = "http://127.0.0.1:9"
_TRANSCRIPT: Final = Transcript(
    "model", (Utterance("0" * 32, "Good morning.", 0, 10),), 20, Provenance("batch", "1")
)
# Copies of a recording and its transcript; by SQL, since 100,000 calls take minutes.
_COPIES: Final = (
    """
    INSERT INTO recordings (id, meeting_id, backend, state, created, updated, request)
    WITH RECURSIVE counter (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM counter WHERE n < ?1)
    SELECT printf('%032x', n), 'meeting ' || n, backend, state, created, updated, request
    FROM counter, recordings WHERE id = ?2
    """,
    """
    INSERT INTO transcripts (recording_id, document_id, chunks, header)
    SELECT recordings.id, document_id || recordings.id, chunks, header
    FROM transcripts, recordings WHERE recording_id = ?2 AND id <> ?2 AND ?1
    """,
    """
    INSERT INTO transcript_chunks (recording_id, document_id, number, utterances)
    SELECT recordings.id, document_id || recordings.id, transcript_chunks.number, utterances
    FROM transcript_chunks, recordings WHERE recording_id = ?2 AND id <> ?2 AND ?1
    """,
)


def _fill(store: SqliteStore, completed: int) -> None:
    """Add completed meetings, then some at the service, and a deleted one to clean up later."""
    model = store.create(MeetingRequest("model", mode=Mode.STORED), "batch")
    store.close_audio(model.id, 32_000)
    store.complete(model.id, _TRANSCRIPT)
    with store._database.transaction() as connection:
        for statement in _COPIES:
            connection.execute(statement, (completed, model.id))
    later = time.time() + _HOUR
    for number in range(_OPEN):
        recording = store.create(MeetingRequest(f"open {number}", mode=Mode.STORED), "batch")
        store.close_audio(recording.id, 32_000)
        job = f"{_ENDPOINT}/speechtotext/transcriptions/{number}"
        progress = dump_progress(BatchProgress(BatchStage.SUBMITTED, job_url=job))
        store.update(recording.id, backend_state=progress, next_poll=later)
    deleted = store.create(MeetingRequest("deleted", mode=Mode.STORED), "batch")
    store.delete(deleted.id)
    store.clean_later(deleted.id, later)


def _service(folder: Path) -> MeetingService:
    # A stored time of the next poll that is later than the longest pause would be ignored.
    options = {"endpoint": _ENDPOINT, "key": "any", "poll_seconds": str(2 * _HOUR)}
    return MeetingService(
        load_settings(
            {
                "backend": "batch",
                "state_dir": str(folder),
                **{f"backends.batch.{name}": value for name, value in options.items()},
            }
        )
    )


async def _completed(meetings: MeetingService) -> None:
    assert (await meetings.status("model")).state is JobState.COMPLETED


async def _processing(meetings: MeetingService) -> None:
    assert (await meetings.status("open 0")).state is JobState.PROCESSING


async def _open_jobs(meetings: MeetingService) -> None:
    assert len(await meetings.store.run(Store.open_recordings, "batch")) == _OPEN


_Query = Callable[[MeetingService], Awaitable[None]]
_QUERIES: Final[dict[str, _Query]] = {
    "status, completed": _completed,
    "status, processing": _processing,
    "open jobs": _open_jobs,
}


async def _round(meetings: MeetingService, query: _Query) -> float:
    """Return the seconds of processor time of one query, in all threads."""
    started = time.process_time()
    for _ in range(_REPETITIONS):
        await query(meetings)
    return (time.process_time() - started) / _REPETITIONS


async def _measure(few: Path, many: Path, query: _Query) -> tuple[float, float]:
    """Return the seconds of the best round with few and with many completed meetings."""
    async with _service(few) as in_few, _service(many) as in_many:
        for meetings in (in_few, in_many):
            await _round(meetings, query)  # opens the store and creates the backend
        rounds = [
            (await _round(in_few, query), await _round(in_many, query)) for _ in range(_ROUNDS)
        ]
    best_few, best_many = (min(seconds) for seconds in zip(*rounds, strict=True))
    return best_few, best_many


def main() -> int:
    """Run the benchmark; return 0 if the target is met."""
    parser = argparse.ArgumentParser(description="Measure a status query.")
    parser.add_argument("--meetings", type=int, default=100_000)
    count = parser.parse_args().meetings
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder) / "few", Path(folder) / "many"
        for path, completed in ((few, _FEW), (many, count)):
            with SqliteStore.open(path) as store:
                _fill(store, completed)
        for name, query in _QUERIES.items():
            best_few, best_many = anyio.run(_measure, few, many, query)
            ratios.append(best_many / best_few)
            print(
                f"{name}: {best_few * 1e6:.0f} us with {_FEW} completed meetings,"
                f" {best_many * 1e6:.0f} us with {count}, ratio {ratios[-1]:.2f}"
                f" (target: below {MAX_RATIO})"
            )
    return 0 if max(ratios) < MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
