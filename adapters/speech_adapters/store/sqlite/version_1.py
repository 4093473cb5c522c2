"""The migration of a meeting store of version 1.

Version 1 kept a backend's state as a JSON object of strings in the column "details", and a
transcript as one JSON document.  This is the only code outside the backends that knows keys of
backends: those of version 1, which are fixed.  Nothing here may fail because of a value: one
damaged record must not lock all other meetings away.
"""

from __future__ import annotations

import json
import math
import sqlite3
import uuid
from collections.abc import Sequence
from typing import Any

from speech_adapters.store.sql.transcript_rows import encode_chunks, insert_chunk, insert_header
from speech_adapters.transcript import Transcript

__all__ = ["migrate_from_1"]


def migrate_from_1(connection: sqlite3.Connection, tables: Sequence[str]) -> None:
    """Replace the tables of version 1 by ``tables``, with all records; in a transaction."""
    # New tables instead of new columns: SQLite drops columns only since 3.35, and a
    # migrated file is then the same as a new one.
    connection.execute("ALTER TABLE recordings RENAME TO recordings_1")
    connection.execute("ALTER TABLE transcripts RENAME TO transcripts_1")
    connection.execute("DROP INDEX recordings_by_meeting")
    for statement in tables:
        connection.execute(statement)
    same = (
        "number, id, meeting_id, backend, state, reason, notes, created, updated, request,"
        " audio_bytes, attempts, progress"
    )
    connection.execute(f"INSERT INTO recordings ({same}) SELECT {same} FROM recordings_1")  # noqa: S608
    _convert_details(connection)
    _convert_transcripts(connection)
    connection.execute("DROP TABLE transcripts_1")
    connection.execute("DROP TABLE recordings_1")


def _convert_details(connection: sqlite3.Connection) -> None:
    # As a BLOB: text that is not UTF-8 would fail in the driver.
    rows = connection.execute(
        "SELECT id, backend, state, CAST(details AS BLOB) FROM recordings_1 WHERE details <> '{}'"
    )
    for recording_id, backend, state, text in rows:
        columns = _columns(backend, state, _details(text))
        connection.execute(
            "UPDATE recordings SET step = ?, next_poll = ?, backend_state = ?, cleanup_after = ?"
            " WHERE id = ?",
            (*columns, recording_id),
        )


def _details(text: bytes) -> dict[str, str]:
    """Return the details that are set; none where they are damaged."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    # Half a character, which JSON can hold, is refused by SQLite.
    return {
        key: value.encode(errors="replace").decode()
        for key, value in found.items()
        if value and isinstance(value, str)
    }


def _columns(
    backend: str, state: str, details: dict[str, str]
) -> tuple[str, float, str, float | None]:
    """Return step, next_poll, backend_state and cleanup_after."""
    step, after = details.pop("step", ""), _float(details.pop("ask_after", ""))
    if state == "Deleted":
        # Only a job that could not be deleted yet needs its state: all else of a
        # deleted recording is to be forgotten, signed addresses first of all.
        details.pop("addresses", None)
        if "undeleted" not in details:
            return "", 0.0, "", None
        return "", 0.0, _backend_state(backend, details), after
    if state in ("Completed", "Failed"):
        step = ""
    return step, after, _backend_state(backend, details), None


def _backend_state(backend: str, details: dict[str, str]) -> str:
    """Return the details as the JSON text that the backend reads in version 2."""
    if not details:
        return ""
    if backend != "batch":
        # The others read their details as they were: fast "refused", realtime "trouble".
        return json.dumps(details)
    try:
        return json.dumps(_batch_state(details))
    except (ValueError, TypeError):
        return ""


def _batch_state(details: dict[str, str]) -> dict[str, object]:
    """Return the record of the batch backend."""
    undeleted = details.get("undeleted")
    return {
        "stage": _batch_stage(details),
        "addresses": _list(details.get("addresses", "")),
        "chunks": [
            {"start": start, "frames": frames, "channel": channel}
            for start, frames, channel in _list(details.get("parts", ""))
        ],
        "uploaded_chunks": int(_float(details.get("sent", ""))),
        "job_url": details.get("job", ""),
        "files_url": details.get("files", ""),
        "submitted_at": _float(details.get("since", "")),
        "attempt": int(_float(details.get("again", ""))),
        "warned": "warned" in details,
        "undeleted": [undeleted] if undeleted else [],
    }


def _batch_stage(details: dict[str, str]) -> str:
    # From the last step to the first: each left its key beside those before it.
    stages = {"job": "submitted", "submitting": "submitting", "uploaded": "uploaded"}
    return next((stage for key, stage in stages.items() if key in details), "recorded")


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _convert_transcripts(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT recording_id, CAST(document AS BLOB) FROM transcripts_1")
    for recording_id, text in rows:
        document = uuid.uuid4().hex
        try:
            transcript = Transcript.from_dict(json.loads(text))
        except (ValueError, KeyError, TypeError):
            # Kept as the header of a transcript whose only chunk is missing: no text that a
            # person could still read is lost, and reading it reports the damage.
            connection.execute(
                "INSERT INTO transcripts (recording_id, document_id, chunks, header)"
                " VALUES (?, ?, 1, ?)",
                (recording_id, document, text),
            )
            continue
        chunks = 0
        for chunk in encode_chunks(transcript):
            insert_chunk(connection, recording_id, document, chunks, chunk)
            chunks += 1
        insert_header(connection, recording_id, document, chunks, transcript)
