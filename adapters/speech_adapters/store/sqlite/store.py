"""The meeting store in one SQLite file, next to the audio."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from speech_adapters.config import StoreOptions
from speech_adapters.store.locks import FileLock
from speech_adapters.store.sql.store import SqlStore, create_folders
from speech_adapters.store.sqlite.database import Database
from speech_adapters.store.sqlite.rows import (
    WITHOUT_ATTENDEES,
    dump_request,
    find,
    salvage,
    state_of,
)
from speech_adapters.transcript import AnyTranscript

__all__ = ["FILE", "SqliteStore"]

FILE: Final = "meetings.sqlite3"


class SqliteStore(SqlStore):
    """A store in an SQLite file; see :class:`.interface.Store`.

    A file that proves damaged is kept under another name.
    """

    _database: Database

    @classmethod
    def open(cls, directory: Path, options: StoreOptions | None = None) -> SqliteStore:  # noqa: ARG003
        """Open the store in ``directory``, which is created when missing.

        Raises:
            StoreError: it is no folder, cannot be written, or is of a newer format.
            StoreCorruptError: the file was damaged and has been put aside.
        """
        directory = directory.absolute()  # the program may change its working directory
        audio = directory / "audio"
        create_folders(directory, audio, directory / "locks")
        store = cls(directory, Database(directory / FILE), audio)
        try:
            store.remove_leftovers()
        except BaseException:
            store.close()
            raise
        return store

    def _lock(self, name: str, busy: str) -> FileLock:
        return FileLock(self.directory / "locks", name, busy)
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

    def poll_later(self, recording_ids: Sequence[str], after: float) -> None:
        with self._database.transaction() as connection:
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
                connection.execute(
                    f"UPDATE recordings SET state = 'Failed', reason = ?, step = '',"  # noqa: S608
                    f" backend_state = coalesce(?, backend_state), updated = ?,"
                    f" {WITHOUT_ATTENDEES}, notes = CASE WHEN ? AND json_valid(notes)"
                    " THEN json_insert(notes, '$[#]', ?) ELSE notes END WHERE id = ?",
                    (reason, backend_state, timestamp(), signed, _NO_NAMES, recording_id),
                )
        if signed or backend_state is not None:
            self.forget()  # the state before may hold signed addresses

    def replace_attendees(self, recording_id: str, attendees: tuple[Attendee, ...]) -> None:
        with self._database.transaction() as connection:
            recording = self._recording(find(connection, recording_id))
            if recording.state is JobState.UPLOADING:
                request = attrs.evolve(recording.request, attendees=attendees)
                _set(connection, recording_id, {"request": dump_request(request)})
        self.forget()  # the signature of a participant who was removed

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

    def lock_meeting(self, meeting_id: str) -> FileLock:
        busy = (
            f"Meeting {meeting_id!r} is being recorded already, by another program or another"
            " part of this one: wait until it ends, or use another id."
        )
        return FileLock(self.directory / "locks", f"meeting:{meeting_id}", busy)

    def lock_recording(self, recording_id: str) -> FileLock:
        busy = f"Recording {recording_id} is being processed already: ask again later."
        return FileLock(self.directory / "locks", f"recording:{recording_id}", busy)

    def _delete(self, connection: sqlite3.Connection, recording_id: str) -> Recording:
        """Delete the record's content, inside a transaction; return the recording as it was."""
        recording = salvage(find(connection, recording_id), self.directory / "audio")
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


def _share(progress: float | None) -> float | None:
    return None if progress is None else min(max(progress, 0.0), 1.0)


def _set(connection: sqlite3.Connection, recording_id: str, columns: Mapping[str, object]) -> None:
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
