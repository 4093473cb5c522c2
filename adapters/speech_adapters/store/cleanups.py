"""Cleanups: what recordings that are completed or deleted left at a service or on the disk.

A completed recording has a cleanup at its service if it was planned, for the case that the
process that completes it dies before it has cleaned up; a deleted one always has.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from speech_adapters.contract import JobState
from speech_adapters.store.database import Database
from speech_adapters.store.files import recording_ids, remove_all
from speech_adapters.store.records import SELECT, Recording, salvage

__all__ = ["Cleanups", "timestamp"]


class Cleanups:
    """The base of :class:`.Store`: its cleanups, and how both read records."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self._database = database

    def due_cleanups(self, now: float) -> list[Recording]:
        """Return the recordings whose cleanup is due at the Unix time ``now``.

        They are deleted, or completed with a cleanup that was planned.  None if the store can
        only be read.
        """
        if self._database.read_only:
            return []
        return self._select(
            "WHERE cleanup_after <= ? AND state IN ('Deleted', 'Completed') ORDER BY cleanup_after",
            now,
        )

    def plan_cleanup(self, recording_id: str) -> None:
        """Note that a recording leaves something at its service once it is completed.

        Without the note, a process that is killed after the completion would leave it there
        for ever.  A deleted recording has its cleanup already.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = 0.0, updated = ?"
                " WHERE id = ? AND cleanup_after IS NULL AND state <> 'Deleted'",
                (timestamp(), recording_id),
            )

    def clean_later(self, recording_id: str, after: float) -> None:
        """Postpone a pending cleanup to the Unix time ``after``; one that is done stays done."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = ?, updated = ?"
                " WHERE id = ? AND cleanup_after IS NOT NULL",
                (after, timestamp(), recording_id),
            )

    def cleaned(self, recording_id: str, state: JobState = JobState.DELETED) -> None:
        """Record that a cleanup is done; a deleted recording loses its backend_state too.

        Args:
            recording_id: which recording.
            state: its state when the cleanup began, Deleted or Completed.  If it was deleted
                meanwhile, there is more to clean up, so nothing is recorded.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = NULL, updated = ?, backend_state ="
                " CASE state WHEN 'Deleted' THEN '' ELSE backend_state END"
                " WHERE id = ? AND state = ?",
                (timestamp(), recording_id, state.value),
            )
        self.forget()  # the state may hold signed addresses

    def forget(self) -> None:
        """Remove values that were replaced from the disk, as far as is possible now.

        SQLite's write-ahead log keeps them otherwise until it is used again.
        """
        self._database.forget()

    def remove_leftovers(self) -> None:
        """Remove what is left of completed and deleted recordings next to their audio.

        A process may be killed after it stored a transcript and before it removed the audio.
        Files of recordings that are not in this store are kept: their records may be in a
        damaged database that was put aside.
        """
        folder = self.directory / "audio"
        ids = recording_ids(folder)
        if not ids:
            return  # the usual case needs no query
        rows = self._database.rows(
            "SELECT id FROM recordings WHERE state IN ('Completed', 'Deleted')"
            " AND id IN (SELECT value FROM json_each(?))",
            json.dumps(sorted(ids)),
        )
        remove_all(folder, (key for (key,) in rows))

    def _select(self, condition: str, *values: object) -> list[Recording]:
        audio = self.directory / "audio"
        return [salvage(row, audio) for row in self._rows(condition, *values)]

    def _rows(self, condition: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.rows(f"{SELECT} {condition}", *values)


def timestamp() -> str:
    """Return the time in UTC as the store writes it."""
    return datetime.now(UTC).isoformat()
