"""The durable record of meetings: what was recorded, its state, its transcript.

One SQLite file in one folder, next to the audio; threads and processes share it.
What a call changed survives the death of the process and a power cut.

::

    create ──▶ Uploading ──close_audio──▶ Processing ──complete──▶ Completed
                                              └────────fail──────▶ Failed ──resume──▶ Processing
    delete ──▶ Deleted, without content, cleanup pending ──cleaned──▶ Deleted
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.closeable import Closeable
from speech_adapters.contract import JobState, MeetingRequest
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
    StoreError,
)
from speech_adapters.store import transcripts
from speech_adapters.store.database import Database
from speech_adapters.store.locks import Lock
from speech_adapters.store.records import (
    SELECT,
    Recording,
    dump_request,
    find,
    from_row,
    state_of,
    unknown,
)
from speech_adapters.transcript import Transcript

__all__ = ["Store"]

_FILE: Final = "meetings.sqlite3"


class Store(Closeable):
    """The meetings of one folder; open it with :meth:`open`.

    All methods block, and any thread may call them.  Every method may raise
    :class:`StoreError` when the file cannot be read or written, and
    :class:`StoreCorruptError` when it proves damaged; it is then kept under another
    name and the next :meth:`open` starts anew.
    """

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self._database = database

    @classmethod
    def open(cls, directory: Path) -> Store:
        """Open the store in ``directory``, which is created when missing.

        Raises:
            StoreError: it is no folder, cannot be written, or is of a newer format.
            StoreCorruptError: the file was damaged and has been put aside.
        """
        directory = directory.absolute()  # the program may change its working directory
        try:
            # Only what is created here is closed to others: the folder may be
            # one that existed before and serves other ends too.
            for folder in (directory, directory / "audio", directory / "locks"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            reason = "it is not a folder" if directory.is_file() else error.strerror or error
            raise StoreError(
                f"The folder {directory} cannot hold the meeting store: {reason}."
                ' Check its permissions, or set "state_dir" to another folder.'
            ) from error
        return cls(directory, Database(directory / _FILE))

    @property
    def usable(self) -> bool:
        """Whether further calls can succeed: it is open, and its file is where it was."""
        return self._database.usable

    def close(self) -> None:
        """Close the store.  Idempotent."""
        self._database.close()

    def create(self, request: MeetingRequest, backend: str) -> Recording:
        """Create a recording in the state Uploading; existing ones are not changed."""
        key, now = uuid.uuid4().hex, _now()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO recordings"
                " (id, meeting_id, backend, state, created, updated, request)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, request.meeting_id, backend, "Uploading", now, now, dump_request(request)),
            )
            return self._recording(find(connection, key))

    def get(self, recording_id: str) -> Recording:
        """Return one recording.

        Raises:
            MeetingNotFoundError: there is none of that id.
        """
        found = self._select("WHERE id = ?", recording_id)
        if not found:
            raise unknown(recording_id)
        return found[0]

    def newest(self, meeting_id: str) -> Recording:
        """Return the recording of a meeting that was created last.

        Raises:
            MeetingNotFoundError: there is none.
        """
        found = self._select("WHERE meeting_id = ? ORDER BY number DESC LIMIT 1", meeting_id)
        if not found:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r} in {self.directory}: check the id and"
                ' the setting "state_dir".'
            )
        return found[0]

    def recordings(self, meeting_id: str | None = None) -> list[Recording]:
        """Return all recordings, or those of one meeting, the newest first."""
        # Two statements: for "all or one" SQLite would read every row, not the index.
        if meeting_id is None:
            return self._select("ORDER BY number DESC")
        return self._select("WHERE meeting_id = ? ORDER BY number DESC", meeting_id)

    def open_recordings(self, backend: str) -> list[Recording]:
        """Return the recordings of one backend in the state Processing, the newest first."""
        # The state is spelled out: with a parameter SQLite could not use the partial index.
        return self._select(
            "WHERE state = 'Processing' AND backend = ? ORDER BY number DESC", backend
        )

    def close_audio(self, recording_id: str, size: int, notes: tuple[str, ...] = ()) -> None:
        """Record that the audio has ended: Uploading becomes Processing, once.

        Args:
            recording_id: which recording.
            size: bytes of audio it has.
            notes: irregularities of the recording, one sentence each.
        """
        with self._database.transaction() as connection:
            if state_of(connection, recording_id) is JobState.UPLOADING:
                connection.execute(
                    "UPDATE recordings SET state = 'Processing', audio_bytes = ?, notes = ?,"
                    " updated = ? WHERE id = ?",
                    (size, json.dumps(notes), _now(), recording_id),
                )

    def begin_attempt(self, recording_id: str) -> int:
        """Count one more attempt at processing; return how many there are now."""
        with self._database.transaction() as connection:
            attempts = self._recording(find(connection, recording_id)).attempts + 1
            connection.execute(
                "UPDATE recordings SET attempts = ?, progress = NULL, updated = ? WHERE id = ?",
                (attempts, _now(), recording_id),
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
        """Store several values, all or none; ``None`` leaves a value as it is.

        Each call waits for the disk: once a second is enough for progress and step.

        Args:
            recording_id: which recording.
            progress: share of the audio processed, limited to 0 to 1; ignored once the
                state is final.
            step: what is being done now; ignored once the state is final.
            backend_state: the backend's own JSON text, stored in any state: a job may
                have to be deleted after its meeting.
            next_poll: Unix time in seconds of the backend's next question.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """
        with self._database.transaction() as connection:
            columns: dict[str, object] = {"backend_state": backend_state, "next_poll": next_poll}
            if not state_of(connection, recording_id).final:
                share = None if progress is None else min(max(progress, 0.0), 1.0)
                columns |= {"progress": share, "step": step}
            changes = {name: value for name, value in columns.items() if value is not None}
            if changes:
                assignments = ", ".join(f"{name} = ?" for name in changes)
                connection.execute(
                    f"UPDATE recordings SET {assignments}, updated = ? WHERE id = ?",  # noqa: S608
                    (*changes.values(), _now(), recording_id),
                )

    def poll_later(self, recording_ids: Sequence[str], after: float) -> None:
        """Set the next poll of all these recordings that are still in the state Processing.

        One statement, because one answer of a service covers all jobs of its list.

        Args:
            recording_ids: which recordings.
            after: Unix time in seconds.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET next_poll = ?, updated = ? WHERE state = 'Processing'"
                " AND id IN (SELECT value FROM json_each(?))",
                (after, _now(), json.dumps(list(recording_ids))),
            )

    def complete(self, recording_id: str, transcript: Transcript) -> bool:
        """Store the transcript and the state Completed, both or neither.

        Other threads and processes proceed while a long transcript is written.

        Returns:
            Whether it was stored: a recording already completed or deleted stays
            as it is.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """
        return transcripts.write(self._database, recording_id, transcript, _now())

    def fail(self, recording_id: str, reason: str, *, backend_state: str | None = None) -> None:
        """Change the state to Failed, for ``reason``; ignored once the state is final.

        Args:
            recording_id: which recording.
            reason: what happened and what to do, for people.
            backend_state: the backend's own JSON text, stored with the state or not at all.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """
        with self._database.transaction() as connection:
            if not state_of(connection, recording_id).final:
                connection.execute(
                    "UPDATE recordings SET state = 'Failed', reason = ?, step = '',"
                    " backend_state = coalesce(?, backend_state), updated = ? WHERE id = ?",
                    (reason, backend_state, _now(), recording_id),
                )

    def resume(self, recording_id: str) -> None:
        """Change Failed to Processing; a recording in another state is not changed."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET state = 'Processing', reason = '', attempts = 0,"
                " progress = NULL, updated = ? WHERE id = ? AND state = 'Failed'",
                (_now(), recording_id),
            )

    def assign(self, recording_id: str, backend: str, *, fallback: str = "") -> None:
        """Make ``backend`` the owner; it starts without the state of the one before.

        A deleted recording is not changed: its owner still has to clean up.

        Args:
            recording_id: which recording.
            backend: the name of the new owner.
            fallback: the name of the backend to assign it to when the service of
                ``backend`` refuses the audio as too large; empty for none.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET backend = ?, fallback = ?, step = '', backend_state = '',"
                " next_poll = 0.0, updated = ? WHERE id = ? AND state <> 'Deleted'",
                (backend, fallback, _now(), recording_id),
            )

    def transcript(self, recording_id: str) -> Transcript:
        """Return the transcript of a completed recording.

        Raises:
            MeetingNotFoundError: there is no such recording, or it was deleted.
            MeetingFailedError: it failed, with the reason.
            MeetingBusyError: it is not finished yet.
            StoreError: the transcript is damaged.
        """
        transcript = transcripts.read(self._database, recording_id)
        if transcript is None:
            raise _no_transcript(self.get(recording_id))
        return transcript

    def delete(self, recording_id: str) -> None:
        """Delete audio, transcript, reason and notes; that it existed is still known.

        The cleanup at the backend's service is then due, see :meth:`due_cleanups`;
        backend_state is kept for it.

        Raises:
            StoreError: the audio cannot be removed; then nothing else is either.
        """
        with self._database.transaction() as connection:
            recording = self._recording(find(connection, recording_id))
            transcripts.remove(connection, recording_id)
            connection.execute(
                "UPDATE recordings SET state = 'Deleted', reason = '', notes = '[]', step = '',"
                " request = ?, progress = NULL, cleanup_after = 0.0, updated = ? WHERE id = ?",
                (dump_request(attrs.evolve(recording.request, phrases=())), _now(), recording_id),
            )
            # Last: when it fails, the transaction is undone.
            _remove(recording.audio_path)
        self._database.forget()

    def due_cleanups(self, now: float) -> list[Recording]:
        """Return the deleted recordings whose cleanup is due at the Unix time ``now``."""
        return self._select("WHERE cleanup_after <= ? ORDER BY cleanup_after", now)

    def clean_later(self, recording_id: str, after: float) -> None:
        """Postpone a pending cleanup to the Unix time ``after``; one that is done stays done."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = ?, updated = ?"
                " WHERE id = ? AND cleanup_after IS NOT NULL",
                (after, _now(), recording_id),
            )

    def cleaned(self, recording_id: str) -> None:
        """Record that the cleanup of a deleted recording is done; its backend_state goes."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET cleanup_after = NULL, backend_state = '', updated = ?"
                " WHERE id = ? AND state = 'Deleted'",
                (_now(), recording_id),
            )
        self._database.forget()  # the state may hold signed addresses

    def lock_meeting(self, meeting_id: str) -> Lock:
        """Lock a meeting id while recording it.

        Raises:
            MeetingBusyError: it is locked already, by this process or another.
        """
        busy = (
            f"Meeting {meeting_id!r} is being recorded already, by another program or another"
            " part of this one: wait until it ends, or use another id."
        )
        return Lock(self.directory / "locks", f"meeting:{meeting_id}", busy)

    def lock_recording(self, recording_id: str) -> Lock:
        """Lock a recording while changing it.

        Raises:
            MeetingBusyError: it is locked already, by this process or another.
        """
        busy = f"Recording {recording_id} is being processed already: ask again later."
        return Lock(self.directory / "locks", f"recording:{recording_id}", busy)

    def _select(self, condition: str, *values: object) -> list[Recording]:
        rows = self._database.rows(f"{SELECT} {condition}", *values)
        return [self._recording(row) for row in rows]

    def _recording(self, row: tuple[Any, ...]) -> Recording:
        return from_row(row, self.directory / "audio")


def _no_transcript(recording: Recording) -> SpeechError:
    subject = f"Meeting {recording.meeting_id!r}"
    if recording.state is JobState.DELETED:
        return MeetingNotFoundError(f"{subject} was deleted.")
    if recording.state is JobState.FAILED:
        return MeetingFailedError(f"{subject} failed: {recording.reason}")
    return MeetingBusyError(f"{subject} is not finished yet: ask again later.")


def _remove(audio: Path) -> None:
    try:
        audio.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"The audio {audio} cannot be deleted: {error.strerror or error}. Nothing was"
            " deleted; check the permissions of its folder."
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat()
