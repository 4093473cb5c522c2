"""The meeting store in an SQL database: what changes a recording.

Reading is in :mod:`.queries`, and cleanups are in :mod:`.cleanups`.  The classes of the databases
add opening and locks.
"""

from __future__ import annotations

import json
import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.contract import Attendee, JobState, MeetingRequest
from speech_adapters.errors import StoreError
from speech_adapters.store.files import remove_files, remove_others
from speech_adapters.store.interface import Store
from speech_adapters.store.lock import Lock
from speech_adapters.store.records import Recording
from speech_adapters.store.sql import transcripts
from speech_adapters.store.sql.cleanups import Cleanups, timestamp
from speech_adapters.store.sql.database import Transaction
from speech_adapters.store.sql.rows import (
    dump_request,
    find,
    salvage,
    state_of,
    without_attendees,
)
from speech_adapters.transcript import AnyTranscript

__all__ = ["SqlStore", "create_folders"]

# A final state is worth the work of hours, or the price of a request: it waits longer than
# anything else for a program that keeps the store locked, like a backup.
_FINAL_WAIT_SECONDS: Final = 300.0
# Progress that comes too late is worth nothing.
_REPORT_WAIT_SECONDS: Final = 0.2
_NO_NAMES: Final = (
    "No participants are named: their voice signatures were deleted when the processing failed."
)


class SqlStore(Cleanups, Store):
    """A store in an SQL database; see :class:`.interface.Store`."""

    @property
    def usable(self) -> bool:
        return self._database.usable

    @property
    def read_only(self) -> bool:
        return self._database.read_only

    def close(self) -> None:
        self._database.close()

    def create(
        self,
        request: MeetingRequest,
        backend: str,
        *,
        keep_audio: bool = False,
        replaces: str = "",
    ) -> Recording:
        key, created = uuid.uuid4().hex, timestamp()
        columns: dict[str, object] = {
            "id": key,
            "meeting_id": request.meeting_id,
            "backend": backend,
            "state": JobState.UPLOADING.value,
            "created": created,
            "updated": created,
            "request": dump_request(request),
            "keep_audio": keep_audio,
            "replaces": replaces,
        }
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO recordings ({', '.join(columns)})"  # noqa: S608
                f" VALUES ({', '.join('?' for _ in columns)})",
                tuple(columns.values()),
            )
            return self._recording(find(connection, key))

    def close_audio(self, recording_id: str, size: int, notes: tuple[str, ...] = ()) -> None:
        with self._database.transaction() as connection:
            if state_of(connection, recording_id) is JobState.UPLOADING:
                connection.execute(
                    "UPDATE recordings SET state = 'Processing', audio_bytes = ?, notes = ?,"
                    " updated = ? WHERE id = ?",
                    (size, json.dumps(notes), timestamp(), recording_id),
                )

    def begin_attempt(self, recording_id: str) -> int:
        with self._database.transaction() as connection:
            attempts = self._recording(find(connection, recording_id)).attempts + 1
            connection.execute(
                "UPDATE recordings SET attempts = ?, progress = NULL, updated = ? WHERE id = ?",
                (attempts, timestamp(), recording_id),
            )
            return attempts

    def update(
        self,
        recording_id: str,
        *,
        progress: float | None = None,
        step: str | None = None,
        backend_state: str | None = None,
        next_poll: float | None = None,
    ) -> None:
        with self._database.transaction() as connection:
            columns: dict[str, object] = {"backend_state": backend_state, "next_poll": next_poll}
            if not state_of(connection, recording_id).final:
                columns |= {"progress": _share(progress), "step": step}
            _set(connection, recording_id, columns)

    def report(
        self, recording_id: str, *, progress: float | None = None, step: str | None = None
    ) -> None:
        with suppress(StoreError), self._database.transaction(_REPORT_WAIT_SECONDS) as connection:
            if not state_of(connection, recording_id).final:
                columns = {"progress": _share(progress), "step": step}
                _set(connection, recording_id, columns)

    def update_many(
        self,
        states: Mapping[str, str],
        *,
        step: str | None = None,
        next_poll: float | None = None,
    ) -> set[str]:
        processing = set[str]()
        with self._database.transaction() as connection:
            # In one order in all processes: a database may lock row by row.
            for recording_id, backend_state in sorted(states.items()):
                state = state_of(connection, recording_id)
                columns = {"backend_state": backend_state, "next_poll": next_poll}
                _set(connection, recording_id, columns | ({} if state.final else {"step": step}))
                if state is JobState.PROCESSING:
                    processing.add(recording_id)
        return processing

    def poll_later(
        self, recording_ids: Sequence[str], after: float, steps: Mapping[str, str] | None = None
    ) -> None:
        # By text: many recordings have the same, and each statement costs a round trip.
        by_step: dict[str, list[str]] = {}
        for recording_id, step in (steps or {}).items():
            by_step.setdefault(step, []).append(recording_id)
        with self._database.transaction() as connection:
            for step, found in by_step.items():
                connection.execute(
                    "UPDATE recordings SET step = ? WHERE state = 'Processing'"
                    " AND id IN (SELECT value FROM json_each(?))",
                    (step, json.dumps(found)),
                )
            connection.execute(
                "UPDATE recordings SET next_poll = ?, updated = ? WHERE state = 'Processing'"
                " AND id IN (SELECT value FROM json_each(?))",
                (after, timestamp(), json.dumps(list(recording_ids))),
            )

    def complete(self, recording_id: str, transcript: AnyTranscript) -> bool:
        numbered, wait = transcript.numbered(), _FINAL_WAIT_SECONDS
        signed = self._has_signatures(recording_id)
        stored = transcripts.write(self._database, recording_id, numbered, timestamp(), wait)
        if signed:
            self.forget()
        return stored

    def fail(self, recording_id: str, reason: str, *, backend_state: str | None = None) -> None:
        signed = self._has_signatures(recording_id)
        with self._database.transaction(_FINAL_WAIT_SECONDS) as connection:
            if not state_of(connection, recording_id).final:
                row = find(connection, recording_id)
                columns = {
                    "state": JobState.FAILED.value,
                    "reason": reason,
                    "step": "",
                    "backend_state": backend_state,
                    "request": without_attendees(row[8]),
                    "notes": _with_note(row[5], _NO_NAMES) if signed else None,
                }
                _set(connection, recording_id, columns)
        if signed or backend_state is not None:
            self.forget()  # the state before may hold signed addresses

    def replace_attendees(self, recording_id: str, attendees: tuple[Attendee, ...]) -> None:
        self._change_request(recording_id, attendees=attendees)
        self.forget()  # the signature of a participant who was removed

    def replace_notes(self, recording_id: str, notes: tuple[str, ...]) -> None:
        self._change_request(recording_id, notes=notes)

    def _change_request(self, recording_id: str, **changes: Any) -> None:
        with self._database.transaction() as connection:
            recording = self._recording(find(connection, recording_id))
            if recording.state is JobState.UPLOADING:
                request = attrs.evolve(recording.request, **changes)
                _set(connection, recording_id, {"request": dump_request(request)})

    def resume(self, recording_id: str, *, incomplete: bool = False) -> None:
        states = ("Failed", "Completed" if incomplete else "Failed")
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET state = 'Processing', reason = '', attempts = 0,"
                " progress = NULL, updated = ? WHERE id = ? AND state IN (?, ?)",
                (timestamp(), recording_id, *states),
            )

    def assign(self, recording_id: str, backend: str, *, fallback: str = "") -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET backend = ?, fallback = ?, step = '', backend_state = '',"
                " next_poll = 0.0, updated = ? WHERE id = ? AND state <> 'Deleted'",
                (backend, fallback, timestamp(), recording_id),
            )

    def delete(self, recording_id: str) -> None:
        with self._database.transaction() as connection:
            recording = self._delete(connection, recording_id)
            # Last: when it fails, the transaction is undone.
            _remove(recording.audio_path)
        self._forget(recording)

    def replace(self, recording_id: str) -> None:
        with self._database.transaction() as connection:
            replaced = self._delete(
                connection, self._recording(find(connection, recording_id)).replaces
            )
            # The meeting began when the recording began that was cut off.
            connection.execute(
                "UPDATE recordings SET replaces = '', created = ?, updated = ? WHERE id = ?",
                (replaced.created.isoformat(), timestamp(), recording_id),
            )
        # Only now: a process that is killed before the commit must leave the audio, since this
        # recording is discarded then.  What is left by one killed here is a leftover.
        remove_files(replaced.audio_path)
        self._database.forget()

    def forget_empty(self, recording_id: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM recordings"
                " WHERE id = ? AND state = 'Failed' AND coalesce(audio_bytes, 0) = 0",
                (recording_id,),
            )

    def lock_meeting(self, meeting_id: str) -> Lock:
        return self._lock(
            f"meeting:{meeting_id}",
            f"Meeting {meeting_id!r} is being recorded already, by another program or another"
            " part of this one: wait until it ends, or use another id.",
        )

    def lock_recording(self, recording_id: str) -> Lock:
        return self._lock(
            f"recording:{recording_id}",
            f"Recording {recording_id} is being processed already: ask again later.",
        )

    @abstractmethod
    def _lock(self, name: str, busy: str) -> Lock:
        """Lock a name among all processes; raises MeetingBusyError with ``busy``."""

    def _delete(self, connection: Transaction, recording_id: str) -> Recording:
        """Delete the record's content, inside a transaction; return the recording as it was."""
        recording = salvage(find(connection, recording_id), self._audio)
        transcripts.remove(connection, recording_id)
        request = dump_request(attrs.evolve(recording.request, phrases=(), attendees=()))
        # "created" too: after this, a damaged record can be read.
        connection.execute(
            "UPDATE recordings SET state = 'Deleted', reason = '', notes = '[]', step = '',"
            " request = ?, progress = NULL, speakers = NULL, cleanup_after = 0.0,"
            " created = ?, updated = ? WHERE id = ?",
            (request, recording.created.isoformat(), timestamp(), recording_id),
        )
        return recording

    def _forget(self, recording: Recording) -> None:
        """Remove what else a deleted recording left on the disk."""
        # A worker that is at work has its journal open already, so it creates no new one.
        remove_others(recording.audio_path)
        self._database.forget()


def create_folders(directory: Path, *further: Path) -> None:
    """Create the folders of a store where they are missing.

    Raises:
        StoreError: one cannot be created.
    """
    try:
        # Only what is created here is closed to others: the folder may be
        # one that existed before and serves other ends too.
        for folder in (directory, *further):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is not a folder" if directory.is_file() else error.strerror or error
        raise StoreError(
            f"The folder {directory} cannot hold the meeting store: {reason}."
            ' Check its permissions, or set "state_dir" to another folder.'
        ) from error


def _with_note(notes: str, note: str) -> str:
    """Return stored notes with one more; damaged ones stay as they are."""
    try:
        return json.dumps([*json.loads(notes), note])
    except (ValueError, TypeError):
        return notes


def _share(progress: float | None) -> float | None:
    return None if progress is None else min(max(progress, 0.0), 1.0)


def _set(connection: Transaction, recording_id: str, columns: Mapping[str, object]) -> None:
    """Store the columns that are not ``None``."""
    changes = {name: value for name, value in columns.items() if value is not None}
    if changes:
        assignments = ", ".join(f"{name} = ?" for name in changes)
        connection.execute(
            f"UPDATE recordings SET {assignments}, updated = ? WHERE id = ?",  # noqa: S608
            (*changes.values(), timestamp(), recording_id),
        )


def _remove(audio: Path) -> None:
    try:
        audio.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"The audio {audio} cannot be deleted: {error.strerror or error}. Nothing was"
            " deleted; check the permissions of its folder."
        ) from error
