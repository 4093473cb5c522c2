"""The second transcripts of meetings that the backend ``shadow`` sends to two backends."""

from __future__ import annotations

from typing import Final

from speech_adapters.store import Recording

__all__ = ["is_shadow", "shadow_id", "shadow_note"]

_SUFFIX: Final = "-shadow"


def shadow_id(meeting_id: str) -> str:
    """Return the id under which the second transcript of a meeting is stored."""
    return f"{meeting_id}{_SUFFIX}"


def shadow_note(meeting_id: str) -> str:
    """Return the note of a second transcript, by which it differs from a meeting of that id."""
    return f"This is the second transcript of meeting {meeting_id!r}, by the backend shadow."


def is_shadow(recording: Recording) -> bool:
    """Return whether a recording is that of a second transcript."""
    meeting_id = recording.meeting_id.removesuffix(_SUFFIX)
    return shadow_note(meeting_id) in recording.request.notes
