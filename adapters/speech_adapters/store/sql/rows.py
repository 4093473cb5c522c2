"""Recordings as rows of the database, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import Attendee, JobState, MeetingRequest, Mode
from speech_adapters.errors import MeetingNotFoundError, SpeechError, StoreError
from speech_adapters.store.records import Recording
from speech_adapters.store.sql.database import Transaction

__all__ = [
    "SELECT",
    "attendees_of",
    "damaged",
    "dump_request",
    "find",
    "from_row",
    "salvage",
    "state_of",
    "time_of",
    "unknown",
    "without_attendees",
]

SELECT: Final = (
    "SELECT id, meeting_id, backend, state, reason, notes, created, updated, request,"
    " audio_bytes, attempts, progress, step, backend_state, next_poll, fallback, keep_audio,"
    " replaces, duration, speakers FROM recordings"
)


def from_row(row: tuple[Any, ...], audio: Path) -> Recording:
    """Read a row of :data:`SELECT`; ``audio`` is the folder of the recordings.

    Raises:
        StoreError: a value is not what this version writes.
    """
    key, meeting, backend, state, reason, notes, created, updated, request, *rest = row
    size, attempts, progress, step, backend_state, next_poll, fallback, *added = rest
    keep_audio, replaces, duration, speakers = added
    try:
        return Recording(
            key,
            meeting,
            backend,
            JobState(state),
            reason,
            tuple(json.loads(notes)),
            datetime.fromisoformat(created),
            datetime.fromisoformat(updated),
            _load_request(request),
            audio / f"{key}.pcm",
            size,
            attempts,
            progress,
            step,
            backend_state,
            next_poll,
            fallback,
            bool(keep_audio),
            replaces,
            duration,
            speakers,
        )
    except (ValueError, KeyError, TypeError, RecursionError, SpeechError):
        raise damaged(key) from None  # their texts may quote the values


def salvage(row: tuple[Any, ...], audio: Path) -> Recording:
    """Read a row like :func:`from_row`; a damaged one still can be listed and deleted.

    Such a recording has failed, unless its state is a final one that can be read, and its
    ``reason`` states the damage.
    """
    try:
        return from_row(row, audio)
    except StoreError as error:
        key, meeting, backend, state, _, _, created, *_ = row
        kept = ("Completed", "Deleted")
        begun = time_of(created)
        return Recording(
            id=str(key),
            meeting_id=str(meeting),
            backend=str(backend),
            state=JobState(state) if state in kept else JobState.FAILED,
            reason=f"{error} The meeting can only be deleted.",
            notes=(),
            created=begun,
            updated=begun,
            request=MeetingRequest(str(meeting)),
            audio_path=audio / f"{key}.pcm",
            audio_bytes=None,
            attempts=0,
            progress=None,
        )


def time_of(text: object) -> datetime:
    """Read a time that the store wrote; a damaged one is the beginning of Unix time."""
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def damaged(key: object) -> StoreError:
    """Return the error for a recording whose record cannot be read."""
    return StoreError(
        f"The record of recording {key} in the meeting store cannot be read: it is damaged"
        " or of another version."
    )


def find(connection: Transaction, recording_id: str) -> tuple[Any, ...]:
    """Return a recording's row, inside a transaction.

    Raises:
        MeetingNotFoundError: there is none of that id.
    """
    row: tuple[Any, ...] | None = connection.execute(
        f"{SELECT} WHERE id = ?", (recording_id,)
    ).fetchone()
    if row is None:
        raise unknown(recording_id)
    return row


def state_of(connection: Transaction, recording_id: str) -> JobState:
    """Return a recording's state, inside the transaction that depends on it.

    Raises:
        MeetingNotFoundError: there is none of that id.
        StoreError: its record is damaged.
    """
    state = find(connection, recording_id)[3]
    try:
        return JobState(state)
    except ValueError:  # its text quotes the value
        raise damaged(recording_id) from None


def unknown(recording_id: str) -> MeetingNotFoundError:
    """Return the error for an id that no recording has."""
    return MeetingNotFoundError(f"There is no recording {recording_id!r} in the meeting store.")


def dump_request(request: MeetingRequest) -> str:
    """Write a request without what is private and not needed later.

    That is addresses, the proxy, and attendees without a voice signature.
    """
    settings = {name: value for name, value in request.settings.items() if name != "proxy"}
    attendees = tuple(a for a in request.attendees if a.has_voice_signature)
    kept = attrs.evolve(request, attendees=attendees, addresses=(), settings=settings)
    data = attrs.asdict(kept)
    return json.dumps({**data, "mode": request.mode.value})


def attendees_of(request: str) -> list[Any]:
    """Return the attendees that a stored request names; a damaged one has none."""
    try:
        found = json.loads(request)["attendees"]
    except (ValueError, KeyError, TypeError):
        return []
    return found if isinstance(found, list) else []


def without_attendees(request: str) -> str:
    """Return a stored request without the attendees, and so without voice signatures.

    Each change to a final state stores this, since the processing alone needs the signatures.  A
    request that is damaged becomes empty: it may hold them, and nothing can read it any more.
    """
    try:
        data = json.loads(request)
        return json.dumps({**data, "attendees": []})
    except (ValueError, TypeError):
        return ""


def _load_request(text: str) -> MeetingRequest:
    data = json.loads(text)
    typed = {
        "audio": PcmFormat(**data["audio"]),
        "mode": Mode(data["mode"]),
        "attendees": tuple(Attendee(**attendee) for attendee in data["attendees"]),
        "phrases": tuple(data["phrases"]),
        "notes": tuple(data["notes"]),
        "addresses": (),
        "languages": tuple(tuple(pair) for pair in data["languages"]),
    }
    return MeetingRequest(**{**data, **typed})
