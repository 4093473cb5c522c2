"""The reading side of the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from speech_adapters.contract import JobState
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
)
from speech_adapters.store.records import MeetingSummary, OpenState, Outcome, Recording
from speech_adapters.store.sql import transcripts
from speech_adapters.store.sql.database import Database
from speech_adapters.store.sql.rows import (
    SELECT,
    attendees_of,
    damaged,
    from_row,
    salvage,
    time_of,
    unknown,
)
from speech_adapters.transcript import StreamedTranscript, Transcript

__all__ = ["GROUP", "Queries"]

# The id of a meeting up to its first slash.  A query that is to use the index of the groups must
# contain this text.
GROUP: Final = "substr(meeting_id, 1, instr(meeting_id, '/'))"

# The newest recording first; one that takes over another counts only once it has the audio.
_RANK: Final = "replaces <> '', number DESC"
_LAST_NUMBER: Final = 2**63 - 1


class Queries:
    """Reads recordings and transcripts.

    Args:
        directory: the folder of the store.
        database: the database.
        audio: the folder of the audio.
    """

    def __init__(self, directory: Path, database: Database, audio: Path) -> None:
        self._directory = directory
        self._database = database
        self._audio = audio

    @property
    def directory(self) -> Path:
        return self._directory

    def get(self, recording_id: str) -> Recording:
        found = self._rows("WHERE id = ?", recording_id)
        if not found:
            raise unknown(recording_id)
        return self._recording(found[0])

    def newest(self, meeting_id: str) -> Recording:
        found = self._rows(f"WHERE meeting_id = ? ORDER BY {_RANK} LIMIT 1", meeting_id)
        if not found:
            raise MeetingNotFoundError(
                f"There is no meeting {meeting_id!r} in {self.directory}: check the id and"
                ' the setting "state_dir".'
            )
        return self._recording(found[0])

    def recordings(self, meeting_id: str | None = None) -> list[Recording]:
        # Two statements: for "all or one" SQLite would read every row, not the index.
        if meeting_id is None:
            return self._select("ORDER BY number DESC")
        return self._select(f"WHERE meeting_id = ? ORDER BY {_RANK}", meeting_id)

    def listed(
        self,
        states: Sequence[JobState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[Recording]:
        # In the order of the list, so that no more rows are read than it needs.
        found = self._select(
            "WHERE created >= ? AND (? OR state IN (SELECT value FROM json_each(?)))"
            " ORDER BY number DESC LIMIT ?",
            "" if since is None else since.astimezone(UTC).isoformat(),
            not states,
            json.dumps([state.value for state in states]),
            -1 if limit is None else limit,
        )
        # Without those whose record is damaged, which have failed.
        return [recording for recording in found if not states or recording.state in states]

    def open_recordings(self, backend: str) -> list[Recording]:
        # The state is spelled out: with a parameter SQLite could not use the partial index.
        found = self._select(
            "WHERE state = 'Processing' AND backend = ? ORDER BY number DESC", backend
        )
        # Without those whose record is damaged.
        return [recording for recording in found if recording.state is JobState.PROCESSING]

    def open_states(self, backend: str) -> list[OpenState]:
        found = self._database.rows(
            "SELECT id, created, backend_state FROM recordings"
            " WHERE state = 'Processing' AND backend = ? ORDER BY number",
            backend,
        )
        return [OpenState(key, time_of(created), state) for key, created, state in found]

    def unfinished(self, now: float) -> list[Recording]:
        if self._database.read_only:
            return []
        found = self._select(
            "WHERE state IN ('Uploading', 'Processing') AND next_poll <= ? ORDER BY number", now
        )
        # Without those whose record is damaged.
        return [recording for recording in found if not recording.state.final]

    def outcomes(self, meeting_ids: Sequence[str]) -> list[Outcome]:
        rows = self._database.rows(
            "SELECT meeting_id, id, state, reason, notes, duration FROM recordings"
            " WHERE meeting_id IN (SELECT value FROM json_each(?)) AND replaces = ''"
            " ORDER BY number",
            json.dumps(list(meeting_ids)),
        )
        # The last one of a meeting is its newest.
        return list({row[0]: _outcome(row) for row in rows}.values())

    def transcript(self, recording_id: str) -> Transcript:
        transcript = transcripts.read(self._database, recording_id)
        if transcript is None:
            raise _no_transcript(self.get(recording_id))
        return transcript

    def stream(self, recording_id: str) -> StreamedTranscript:
        transcript = transcripts.stream(self._database, recording_id)
        if transcript is None:
            raise _no_transcript(self.get(recording_id))
        return transcript

    def summaries(self, prefix: str, limit: int, before: str = "") -> list[MeetingSummary]:
        condition, values = _starts_with(prefix)
        cursor = "(SELECT number FROM recordings WHERE id = ?)" if before else "?"
        found = self._select(
            f"WHERE {condition} AND number < {cursor} AND replaces = ''"  # noqa: S608
            " AND state <> 'Deleted'"
            " AND NOT EXISTS (SELECT 1 FROM recordings AS later"
            " WHERE later.meeting_id = recordings.meeting_id"
            " AND later.number > recordings.number AND later.replaces = '')"
            " ORDER BY number DESC LIMIT ?",
            *(*values, before or _LAST_NUMBER, limit),
        )
        return [recording.summary() for recording in found]

    def _has_signatures(self, recording_id: str) -> bool:
        # Removing text from the log waits for the disk, so it is done only where it is needed.
        found = self._database.rows("SELECT request FROM recordings WHERE id = ?", recording_id)
        return any(attendees_of(request) for (request,) in found)

    def _recording(self, row: tuple[Any, ...]) -> Recording:
        return from_row(row, self._audio)

    def _select(self, condition: str, *values: object) -> list[Recording]:
        return [salvage(row, self._audio) for row in self._rows(condition, *values)]

    def _rows(self, condition: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.rows(f"{SELECT} {condition}", *values)


def _starts_with(prefix: str) -> tuple[str, tuple[object, ...]]:
    """Return the condition that a meeting id starts with ``prefix``, and its values."""
    exactly = "substr(meeting_id, 1, ?) = ?", (len(prefix), prefix)
    group, slash, _ = prefix.partition("/")
    if slash:
        return f"{GROUP} = ? AND {exactly[0]}", (group + slash, *exactly[1])
    if prefix:
        # The bounds let SQLite use the index of the ids.
        return f"meeting_id >= ? AND meeting_id < ? AND {exactly[0]}", (
            *(prefix, prefix + "\U0010ffff"),
            *exactly[1],
        )
    return "TRUE", ()


def _outcome(row: tuple[Any, ...]) -> Outcome:
    meeting_id, key, state, reason, notes, duration = row
    try:
        return Outcome(meeting_id, key, JobState(state), reason, tuple(json.loads(notes)), duration)
    except (ValueError, TypeError, RecursionError):
        return Outcome(meeting_id, key, JobState.FAILED, str(damaged(key)), (), None)


def _no_transcript(recording: Recording) -> SpeechError:
    subject = f"Meeting {recording.meeting_id!r}"
    if recording.state is JobState.DELETED:
        return MeetingNotFoundError(f"{subject} was deleted.")
    if recording.state is JobState.FAILED:
        return MeetingFailedError(f"{subject} failed: {recording.reason}")
    return MeetingBusyError(f"{subject} is not finished yet: ask again later.")
