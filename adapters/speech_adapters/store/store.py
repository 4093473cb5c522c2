"""The durable record of meetings: what was recorded, its state, its transcript.

One SQLite file in one folder, next to the audio; threads and processes share it.
What a call changed survives the death of the process and a power cut.

::

    create ──▶ Uploading ──close_audio──▶ Processing ──complete──▶ Completed
                                              └────────fail──────▶ Failed ──resume──▶ Processing
    delete ──▶ Deleted, without content, cleanup pending ──cleaned──▶ Deleted

Cleanups are described in :mod:`.cleanups`.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.closeable import Closeable
from speech_adapters.contract import Attendee, JobState, MeetingRequest
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
    StoreError,
)
from speech_adapters.store import transcripts
from speech_adapters.store.cleanups import Cleanups, timestamp
from speech_adapters.store.database import Database
from speech_adapters.store.files import remove_others
from speech_adapters.store.locks import Lock
from speech_adapters.store.records import (
    WITHOUT_ATTENDEES,
    Recording,
    dump_request,
    find,
    from_row,
    salvage,
    state_of,
    unknown,
)
from speech_adapters.transcript import Transcript

__all__ = ["Store"]

_FILE: Final = "meetings.sqlite3"
# A final state is worth the work of hours, or the price of a request: it waits longer than
# anything else for a program that keeps the store locked, like a backup.
_FINAL_WAIT_SECONDS: Final = 300.0
# Progress that comes too late is worth nothing.
_REPORT_WAIT_SECONDS: Final = 0.2
_NO_NAMES: Final = (
    "No participants are named: their voice signatures were deleted when the processing failed."
)


class Store(Cleanups, Closeable):
    """The meetings of one folder; open it with :meth:`open`.

    All methods block, and any thread may call them.  Every method may raise
    :class:`StoreError` when the file cannot be read or written, and
    :class:`StoreCorruptError` when it proves damaged; it is then kept under another
    name and the next :meth:`open` starts anew.
    """

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
        store = cls(directory, Database(directory / _FILE))
        try:
            store.remove_leftovers()
        except BaseException:
            store.close()
            raise
        return store

    @property
    def usable(self) -> bool:
        """Whether further calls can succeed: it is open, and its file is where it was."""
        return self._database.usable

    @property
    def read_only(self) -> bool:
        """Whether it can only be read, because its folder cannot be written."""
        return self._database.read_only

    def close(self) -> None:
        """Close the store.  Idempotent."""
        self._database.close()

    def create(self, request: MeetingRequest, backend: str) -> Recording:
        """Create a recording in the state Uploading; existing ones are not changed."""
        key, created = uuid.uuid4().hex, timestamp()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO recordings"
                " (id, meeting_id, backend, state, created, updated, request)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    request.meeting_id,
                    backend,
                    "Uploading",
                    created,
                    created,
                    dump_request(request),
                ),
            )
            return self._recording(find(connection, key))

    def get(self, recording_id: str) -> Recording:
        """Return one recording.

        Raises:
            MeetingNotFoundError: there is none of that id.
        """
        found = self._rows("WHERE id = ?", recording_id)
        if not found:
            raise unknown(recording_id)
        return self._recording(found[0])

    def newest(self, meeting_id: str) -> Recording:
        """Return the recording of a meeting that was created last.

        Raises:
            MeetingNotFoundError: there is none.
        """
        found = self._rows("WHERE meeting_id = ? ORDER BY number DESC LIMIT 1", meeting_id)
        if not found:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r} in {self.directory}: check the id and"
                ' the setting "state_dir".'
            )
        return self._recording(found[0])

    def recordings(self, meeting_id: str | None = None) -> list[Recording]:
        """Return all recordings, or those of one meeting, the newest first.

        One whose record is damaged is among them, as failed: it must not hide the others.
        """
        # Two statements: for "all or one" SQLite would read every row, not the index.
        if meeting_id is None:
            return self._select("ORDER BY number DESC")
        return self._select("WHERE meeting_id = ? ORDER BY number DESC", meeting_id)

    def open_recordings(self, backend: str) -> list[Recording]:
        """Return the recordings of one backend in the state Processing, the newest first."""
        # The state is spelled out: with a parameter SQLite could not use the partial index.
        found = self._select(
            "WHERE state = 'Processing' AND backend = ? ORDER BY number DESC", backend
        )
        # Without those whose record is damaged.
        return [recording for recording in found if recording.state is JobState.PROCESSING]

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
                    (size, json.dumps(notes), timestamp(), recording_id),
                )

    def begin_attempt(self, recording_id: str) -> int:
        """Count one more attempt at processing; return how many there are now."""
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
        """Store several values, all or none; ``None`` leaves a value as it is.

        Each call waits for the disk.

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
                columns |= {"progress": _share(progress), "step": step}
            _set(connection, recording_id, columns)

    def report(
        self, recording_id: str, *, progress: float | None = None, step: str | None = None
    ) -> None:
        """Store progress and step if that is possible now; ignored once the state is final.

        Never raises :class:`StoreError`: a store that is locked, or a disk that is full, must
        not end the work that is reported.  Each call waits for the disk, so once a second is
        enough.

        Args:
            recording_id: which recording.
            progress: share of the audio processed, limited to 0 to 1.
            step: what is being done now.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """
        with suppress(StoreError), self._database.transaction(_REPORT_WAIT_SECONDS) as connection:
            if not state_of(connection, recording_id).final:
                columns = {"progress": _share(progress), "step": step}
                _set(connection, recording_id, columns)

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
                (after, timestamp(), json.dumps(list(recording_ids))),
            )

    def complete(self, recording_id: str, transcript: Transcript) -> bool:
        """Store the transcript and the state Completed, both or neither.

        Other threads and processes proceed while a long transcript is written.  Waits up to
        five minutes while another process keeps the store locked, as :meth:`fail` does.
        Speakers are numbered by first appearance, whatever the numbers of the live results
        were.  Voice signatures are removed, from the disk too.

        Returns:
            Whether it was stored: a recording already completed or deleted stays
            as it is.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """
        numbered, wait = transcript.numbered(), _FINAL_WAIT_SECONDS
        signed = self._has_signatures(recording_id)
        stored = transcripts.write(self._database, recording_id, numbered, timestamp(), wait)
        if signed:
            self.forget()
        return stored

    def fail(self, recording_id: str, reason: str, *, backend_state: str | None = None) -> None:
        """Change the state to Failed, for ``reason``; ignored once the state is final.

        Voice signatures are removed, from the disk too: a retry names no participants, which a
        note states.

        Args:
            recording_id: which recording.
            reason: what happened and what to do, for people.
            backend_state: the backend's own JSON text, stored with the state or not at all.

        Raises:
            MeetingNotFoundError: there is no such recording.
        """
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
        """Replace the attendees of a recording, of which only those with signatures are kept.

        Ignored unless it is Uploading: later the processing may have begun.

        Raises:
            MeetingNotFoundError: there is no such recording.
            StoreError: its record is damaged.
        """
        with self._database.transaction() as connection:
            recording = self._recording(find(connection, recording_id))
            if recording.state is JobState.UPLOADING:
                request = attrs.evolve(recording.request, attendees=attendees)
                _set(connection, recording_id, {"request": dump_request(request)})
        self.forget()  # the signature of a participant who was removed

    def resume(self, recording_id: str, *, incomplete: bool = False) -> None:
        """Change Failed to Processing; a recording in another state is not changed.

        With ``incomplete`` a completed recording is changed too.  Its transcript stays, until
        another one replaces it.
        """
        states = ("Failed", "Completed" if incomplete else "Failed")
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET state = 'Processing', reason = '', attempts = 0,"
                " progress = NULL, updated = ? WHERE id = ? AND state IN (?, ?)",
                (timestamp(), recording_id, *states),
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
                (backend, fallback, timestamp(), recording_id),
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
        """Delete audio, journal, transcript, reason and notes; that it existed is still known.

        The cleanup at the backend's service is then due, see :meth:`due_cleanups`;
        backend_state is kept for it.

        Raises:
            StoreError: the audio cannot be removed; then nothing else is either.
        """
        with self._database.transaction() as connection:
            recording = salvage(find(connection, recording_id), self.directory / "audio")
            transcripts.remove(connection, recording_id)
            request = dump_request(attrs.evolve(recording.request, phrases=(), attendees=()))
            # "created" too: after this, a damaged record can be read.
            connection.execute(
                "UPDATE recordings SET state = 'Deleted', reason = '', notes = '[]', step = '',"
                " request = ?, progress = NULL, cleanup_after = 0.0, created = ?, updated = ?"
                " WHERE id = ?",
                (request, recording.created.isoformat(), timestamp(), recording_id),
            )
            # Last: when it fails, the transaction is undone.
            _remove(recording.audio_path)
        # A worker that is at work has its journal open already, so it creates no new one.
        remove_others(recording.audio_path)
        self._database.forget()

    def forget_empty(self, recording_id: str) -> None:
        """Remove a recording that has failed because it has no audio; ignored otherwise."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM recordings"
                " WHERE id = ? AND state = 'Failed' AND coalesce(audio_bytes, 0) = 0",
                (recording_id,),
            )

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

    def _has_signatures(self, recording_id: str) -> bool:
        # Removing text from the log waits for the disk, so it is done only where it is needed.
        found = self._database.rows(
            "SELECT json_extract(request, '$.attendees[0]') IS NOT NULL FROM recordings"
            " WHERE id = ? AND json_valid(request)",
            recording_id,
        )
        return any(present for (present,) in found)

    def _recording(self, row: tuple[Any, ...]) -> Recording:
        return from_row(row, self.directory / "audio")


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
