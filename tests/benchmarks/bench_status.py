"""What a status query costs in a store with many completed meetings.

::

    python tests/benchmarks/bench_status.py [--meetings 100000]

A status query is what a program causes that polls one meeting: its newest recording, the
open recordings of its backend, and the cleanups that are due.  Compares a store with that
many completed meetings with one of ten, in turns within one run, the best round of each;
ends with 1 when the query costs 1.5 times as much.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from speech_adapters.contract import MeetingRequest, Mode
from speech_adapters.store import Store
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = ["main"]

MAX_RATIO: Final = 1.5
_FEW: Final = 10
_OPEN: Final = 5
_ROUNDS: Final = 20
_QUERIES: Final = 100
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


def _fill(store: Store, completed: int) -> None:
    """Add completed meetings, then some open ones and a deleted one to clean up."""
    model = store.create(MeetingRequest("model", mode=Mode.STORED), "batch")
    store.complete(model.id, _TRANSCRIPT)
    with store._database.transaction() as connection:
        for statement in _COPIES:
            connection.execute(statement, (completed, model.id))
    for number in range(_OPEN):
        recording = store.create(MeetingRequest(f"open {number}", mode=Mode.STORED), "batch")
        store.close_audio(recording.id, 32_000)
    store.delete(store.create(MeetingRequest("deleted", mode=Mode.STORED), "batch").id)


def _round(store: Store) -> float:
    """Return the seconds of processor time that the queries take."""
    started = time.process_time()
    for _ in range(_QUERIES):
        store.newest("open 0")
        opened, due = store.open_recordings("batch"), store.due_cleanups(time.time())
        assert (len(opened), len(due)) == (_OPEN, 1)
    return time.process_time() - started


def main() -> int:
    """Run the benchmark; return 0 when the target is met."""
    parser = argparse.ArgumentParser(description="Measure a status query.")
    parser.add_argument("--meetings", type=int, default=100_000)
    count = parser.parse_args().meetings
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "few") as few,
        Store.open(Path(folder) / "many") as many,
    ):
        _fill(few, _FEW)
        _fill(many, count)
        rounds = [(_round(few), _round(many)) for _ in range(_ROUNDS)]
    best_few, best_many = (min(seconds) / _QUERIES for seconds in zip(*rounds, strict=True))
    ratio = best_many / best_few
    print(f"{_FEW} completed meetings: {best_few * 1e6:.0f} us for a status query")
    print(f"{count} completed meetings: {best_many * 1e6:.0f} us")
    print(f"ratio {ratio:.2f} (target: below {MAX_RATIO})")
    return 0 if ratio < MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
