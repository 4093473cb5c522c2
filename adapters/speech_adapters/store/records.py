"""Recordings as rows of the meeting store, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus, Mode
from speech_adapters.errors import StoreError

__all__ = ["SELECT", "Recording", "dump_request", "from_row"]

SELECT: Final = (
    "SELECT id, meeting_id, backend, state, reason, notes, created, updated, request,"
    " audio_bytes, attempts, progress, details FROM recordings"
)


@attrs.frozen
class Recording:
    """One recording of a meeting; several may share a meeting id.

    Attributes:
        id: 32 hexadecimal digits, of this recording alone.
        meeting_id: the id the program gave.
        backend: the name of the backend that took it.
        state: how far it has come.
        reason: why it failed; otherwise empty.
        notes: what befell the recording, one sentence each.
        created: when it began, in UTC.
        updated: when its record last changed, in UTC.
        request: what was asked for, without the attendees.
        audio_path: where its audio is, or was.
        audio_bytes: how much audio there is; ``None`` while it is uploading.
        attempts: how often processing was begun.
        progress: share of the audio processed, 0 to 1, or ``None`` when unknown.
        details: what its backend noted, as where its job is.
    """

    id: str
    meeting_id: str
    backend: str
    state: JobState
    reason: str
    notes: tuple[str, ...]
    created: datetime
    updated: datetime
    request: MeetingRequest
    audio_path: Path
    audio_bytes: int | None
    attempts: int
    progress: float | None
    details: Mapping[str, str] = attrs.field(factory=dict)

    def status(self) -> MeetingStatus:
        """Give what whoever asks by meeting id is told: the reason, or else the notes."""
        reason = self.reason or " ".join(self.notes)
        step = "" if self.state.final else self.details.get("step", "")
        return MeetingStatus(self.meeting_id, self.state, reason, self.progress, step)


def from_row(row: tuple[Any, ...], audio: Path) -> Recording:
    """Read a row of :data:`SELECT`; ``audio`` is the folder of the recordings.

    Raises:
        StoreError: a value is not what this version writes.
    """
    key, meeting, backend, state, reason, notes, created, updated, request, *rest = row
    size, attempts, progress, details = rest
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
            json.loads(details),
        )
    except (ValueError, KeyError, TypeError):  # their texts may quote the values
        raise StoreError(
            f"The record of recording {key} in the meeting store cannot be read: it is damaged"
            " or of another version."
        ) from None


def dump_request(request: MeetingRequest) -> str:
    """Write a request without its attendees, addresses and proxy: private, not needed later."""
    settings = {name: value for name, value in request.settings.items() if name != "proxy"}
    data = attrs.asdict(attrs.evolve(request, attendees=(), addresses=(), settings=settings))
    return json.dumps({**data, "mode": request.mode.value})


def _load_request(text: str) -> MeetingRequest:
    data = json.loads(text)
    typed = {
        "audio": PcmFormat(**data["audio"]),
        "mode": Mode(data["mode"]),
        "attendees": (),
        "phrases": tuple(data["phrases"]),
        "notes": tuple(data["notes"]),
        "addresses": (),
        "languages": tuple(tuple(pair) for pair in data["languages"]),
    }
    return MeetingRequest(**{**data, **typed})
