"""Cleanups: what recordings that are completed or deleted left at a service or on the disk.

A completed recording has a cleanup at its service if it was planned, for the case that the
process that completes it dies before it has cleaned up; a deleted one always has.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from speech_adapters.contract import JobState
from speech_adapters.store.files import recording_files, remove_files, remove_others
from speech_adapters.store.records import Recording
from speech_adapters.store.sql.queries import Queries

__all__ = ["Cleanups", "timestamp"]


class Cleanups(Queries):
    """What is left to clean up."""

    def due_cleanups(self, now: float) -> list[Recording]:
        if self._database.read_only:
            return []
        return self._select(
            "WHERE cleanup_after <= ? AND state IN ('Deleted', 'Completed') ORDER BY cleanup_after",
            now,
        )

    def plan_cleanup(self, recording_id: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = 0.0, updated = ?"
                " WHERE id = ? AND cleanup_after IS NULL AND state <> 'Deleted'",
                (timestamp(), recording_id),
            )

    def clean_later(self, recording_id: str, after: float) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = ?, updated = ?"
                " WHERE id = ? AND cleanup_after IS NOT NULL",
                (after, timestamp(), recording_id),
            )

    def cleaned(self, recording_id: str, state: JobState = JobState.DELETED) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = NULL, updated = ?, backend_state ="
                " CASE state WHEN 'Deleted' THEN '' ELSE backend_state END"
                " WHERE id = ? AND state = ?",
                (timestamp(), recording_id, state.value),
            )
        self.forget()  # the state may hold signed addresses

    def forget(self) -> None:
        self._database.forget()

    def remove_leftovers(self) -> None:
        folder = self._audio
        ids = recording_files(folder)
        if not ids:
            return  # the usual case needs no query
        rows = self._database.rows(
            "SELECT id, keep_audio AND state = 'Completed' FROM recordings"
            " WHERE state IN ('Completed', 'Deleted') AND id IN (SELECT value FROM json_each(?))",
            json.dumps(sorted(ids)),
        )
        for key, keep_audio in rows:
            audio = folder / f"{key}.pcm"
            if not keep_audio:
                remove_files(audio)
            elif ids[key] != {audio.name}:  # the usual case needs no search of the folder
                remove_others(audio)


def timestamp() -> str:
    """Return the time in UTC as the store writes it."""
    return datetime.now(UTC).isoformat()
