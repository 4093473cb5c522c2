"""The durable record of meetings: what was recorded, how far it has come, its transcript.

One SQLite file in one folder, next to the audio; threads and processes share it.
What a call changed survives the death of the process and a power cut.

::

    create ──▶ Uploading ──close_audio──▶ Processing ──complete──▶ Completed
                                              └────────fail──────▶ Failed ──resume──▶ Processing
    delete leaves a recording in the state Deleted, without its content.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
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
from speech_adapters.store.database import Database
from speech_adapters.store.locks import Hold
from speech_adapters.store.records import SELECT, Recording, dump_request, from_row
from speech_adapters.transcript import Transcript

__all__ = ["Hold", "Recording", "Store"]

_FILE: Final = "meetings.sqlite3"
_KEPT: Final = (JobState.COMPLETED, JobState.DELETED)


class Store(Closeable):
    """The meetings of one folder; open it with :meth:`open`.

    Every method may raise :class:`StoreError` when the file cannot be read or
    written, and :class:`StoreCorruptError` when it proves damaged; it is then kept
    under another name and the next :meth:`open` starts anew.
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

    def close(self) -> None:
        """Close the store.  Idempotent."""
        self._database.close()

    def create(self, request: MeetingRequest, backend: str) -> Recording:
        """Begin a recording, in the state Uploading; none that exists is touched."""
        key, now = uuid.uuid4().hex, _now()
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO recordings"
                " (id, meeting_id, backend, state, created, updated, request)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, request.meeting_id, backend, "Uploading", now, now, dump_request(request)),
            )
            return self._recording(_find(connection, key))

    def get(self, recording_id: str) -> Recording:
        """Give one recording.

        Raises:
            MeetingNotFoundError: there is none of that id.
        """
        rows = self._database.rows(f"{SELECT} WHERE id = ?", recording_id)
        if not rows:
            raise _unknown(recording_id)
        return self._recording(rows[0])

    def newest(self, meeting_id: str) -> Recording:
        """Give the recording of a meeting that was begun last.

        Raises:
            MeetingNotFoundError: there is none.
        """
        rows = self._database.rows(
            f"{SELECT} WHERE meeting_id = ? ORDER BY number DESC LIMIT 1", meeting_id
        )
        if not rows:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r} in {self.directory}: check the id and"
                ' the setting "state_dir".'
            )
        return self._recording(rows[0])

    def recordings(self, meeting_id: str | None = None) -> list[Recording]:
        """Give all recordings, or those of one meeting, the newest first."""
        rows = self._database.rows(
            f"{SELECT} WHERE ?1 IS NULL OR meeting_id = ?1 ORDER BY number DESC", meeting_id
        )
        return [self._recording(row) for row in rows]

    def noting(self, detail: str) -> list[Recording]:
        """Give the recordings, newest first, whose backend noted ``detail``."""
        rows = self._database.rows(
            f"{SELECT} WHERE details LIKE ? ORDER BY number DESC", f'%"{detail}": "_%'
        )
        found = (self._recording(row) for row in rows)
        return [recording for recording in found if recording.details.get(detail)]

    def close_audio(self, recording_id: str, size: int, notes: tuple[str, ...] = ()) -> None:
        """Say that no more audio will come: Uploading becomes Processing, once.

        Args:
            recording_id: which recording.
            size: bytes of audio it has.
            notes: what befell it, one sentence each.
        """
        with self._database.transaction() as connection:
            if _state(connection, recording_id) is JobState.UPLOADING:
                connection.execute(
                    "UPDATE recordings SET state = 'Processing', audio_bytes = ?, notes = ?,"
                    " updated = ? WHERE id = ?",
                    (size, json.dumps(notes), _now(), recording_id),
                )

    def begin_attempt(self, recording_id: str) -> int:
        """Count one more attempt at processing; gives how many there are now."""
        with self._database.transaction() as connection:
            attempts = self._recording(_find(connection, recording_id)).attempts + 1
            connection.execute(
                "UPDATE recordings SET attempts = ?, progress = NULL, updated = ? WHERE id = ?",
                (attempts, _now(), recording_id),
            )
            return attempts

    def report(self, recording_id: str, progress: float) -> None:
        """Note the share of the audio processed, 0 to 1; ignored once the state is final.

        Costs a write to disk: once a second is plenty.
        """
        share = min(max(progress, 0.0), 1.0)
        with self._database.transaction() as connection:
            if not _state(connection, recording_id).final:
                connection.execute(
                    "UPDATE recordings SET progress = ?, updated = ? WHERE id = ?",
                    (share, _now(), recording_id),
                )

    def note(self, recording_id: str, **details: str) -> Recording:
        """Note details for the backend, beside those there are; gives the recording."""
        with self._database.transaction() as connection:
            recording = self._recording(_find(connection, recording_id))
            connection.execute(
                "UPDATE recordings SET details = ?, updated = ? WHERE id = ?",
                (json.dumps({**recording.details, **details}), _now(), recording_id),
            )
            return self._recording(_find(connection, recording_id))

    def complete(self, recording_id: str, transcript: Transcript) -> bool:
        """Store the transcript and the state Completed, both or neither.

        Returns:
            Whether it was stored: a recording already completed or deleted stays
            as it is.
        """
        with self._database.transaction() as connection:
            if _state(connection, recording_id) in _KEPT:
                return False
            connection.execute(
                "INSERT INTO transcripts (recording_id, document) VALUES (?, ?)",
                (recording_id, json.dumps(transcript.to_dict())),
            )
            connection.execute(
                "UPDATE recordings SET state = 'Completed', reason = '', progress = 1.0,"
                " updated = ? WHERE id = ?",
                (_now(), recording_id),
            )
            return True

    def fail(self, recording_id: str, reason: str) -> None:
        """Give up on a recording, for ``reason``; ignored once the state is final."""
        with self._database.transaction() as connection:
            if not _state(connection, recording_id).final:
                connection.execute(
                    "UPDATE recordings SET state = 'Failed', reason = ?, updated = ? WHERE id = ?",
                    (reason, _now(), recording_id),
                )

    def resume(self, recording_id: str) -> None:
        """Take a recording up again that has failed: Failed becomes Processing, else nothing."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET state = 'Processing', reason = '', attempts = 0,"
                " progress = NULL, updated = ? WHERE id = ? AND state = 'Failed'",
                (_now(), recording_id),
            )

    def assign(self, recording_id: str, backend: str) -> None:
        """Give a recording to another backend, whose own it is from then on."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE recordings SET backend = ?, updated = ? WHERE id = ?",
                (backend, _now(), recording_id),
            )

    def transcript(self, recording_id: str) -> Transcript:
        """Give the transcript of a completed recording.

        Raises:
            MeetingNotFoundError: there is no such recording, or it was deleted.
            MeetingFailedError: it failed, with the reason.
            MeetingBusyError: it is not finished yet.
        """
        rows = self._database.rows(
            "SELECT document FROM transcripts WHERE recording_id = ?", recording_id
        )
        if not rows:
            raise _no_transcript(self.get(recording_id))
        try:
            return Transcript.from_dict(json.loads(rows[0][0]))
        except (ValueError, KeyError, TypeError):  # their texts may quote the transcript
            raise StoreError(
                f"The stored transcript of recording {recording_id} is damaged: transcribe"
                " its audio again."
            ) from None

    def delete(self, recording_id: str) -> None:
        """Delete audio, transcript, reason and notes; that it existed is still known.

        Raises:
            StoreError: the audio cannot be removed; then nothing else is either.
        """
        with self._database.transaction() as connection:
            recording = self._recording(_find(connection, recording_id))
            connection.execute("DELETE FROM transcripts WHERE recording_id = ?", (recording_id,))
            connection.execute(
                "UPDATE recordings SET state = 'Deleted', reason = '', notes = '[]',"
                " request = ?, progress = NULL, updated = ? WHERE id = ?",
                (dump_request(attrs.evolve(recording.request, phrases=())), _now(), recording_id),
            )
            _remove(recording.audio_path)
        self._database.forget()

    def hold_meeting(self, meeting_id: str) -> Hold:
        """Hold a meeting id while recording it.

        Raises:
            MeetingBusyError: it is held already, by this process or another.
        """
        busy = (
            f"Meeting {meeting_id!r} is being recorded already, by another program or another"
            " part of this one: wait until it ends, or use another id."
        )
        return Hold(self.directory / "locks", f"meeting:{meeting_id}", busy)

    def hold_recording(self, recording_id: str) -> Hold:
        """Hold a recording while processing it.

        Raises:
            MeetingBusyError: it is held already, by this process or another.
        """
        busy = f"Recording {recording_id} is being processed already: ask again later."
        return Hold(self.directory / "locks", f"recording:{recording_id}", busy)

    def _recording(self, row: tuple[Any, ...]) -> Recording:
        return from_row(row, self.directory / "audio")


def _find(connection: sqlite3.Connection, recording_id: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(
        f"{SELECT} WHERE id = ?", (recording_id,)
    ).fetchone()
    if row is None:
        raise _unknown(recording_id)
    return row


def _state(connection: sqlite3.Connection, recording_id: str) -> JobState:
    return JobState(_find(connection, recording_id)[3])


def _unknown(recording_id: str) -> MeetingNotFoundError:
    return MeetingNotFoundError(f"There is no recording {recording_id!r} in the meeting store.")


def _no_transcript(recording: Recording) -> SpeechError:
    what = f"Meeting {recording.meeting_id!r}"
    if recording.state is JobState.DELETED:
        return MeetingNotFoundError(f"{what} was deleted.")
    if recording.state is JobState.FAILED:
        return MeetingFailedError(f"{what} failed: {recording.reason}")
    return MeetingBusyError(f"{what} is not finished yet: ask again later.")


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
