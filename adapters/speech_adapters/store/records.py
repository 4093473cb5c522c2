"""What the meeting store keeps of a recording."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import attrs

from speech_adapters.contract import JobState, MeetingRequest, MeetingStatus
from speech_adapters.masking import masked_repr

__all__ = ["MeetingSummary", "OpenState", "Outcome", "Recording"]


@attrs.frozen
class OpenState:
    """A recording in the state Processing, with what its backend stored.

    Attributes:
        id: the recording's id.
        created: when it began, in UTC.
        backend_state: JSON text of the backend's own; empty when there is none.
    """

    id: str
    created: datetime
    backend_state: str = attrs.field(repr=masked_repr)


@attrs.frozen
class MeetingSummary:
    """The newest recording of a meeting, for a list.

    Attributes:
        meeting_id: the meeting's id.
        recording_id: the recording's id, after which the next page of a list continues.
        state: its state.
        created: when it began, in UTC.
        duration: length of the audio in ticks; ``None`` while it is recorded.
        progress: share of the audio processed, 0 to 1, or ``None`` when unknown.
        step: the present processing step in words; may be empty.
        speakers: how many speakers the transcript distinguishes; ``None`` if there is none, or
            an earlier version stored it.
        has_audio: whether its audio is kept until the meeting is deleted.
    """

    meeting_id: str
    recording_id: str
    state: JobState
    created: datetime
    duration: int | None
    progress: float | None
    step: str
    speakers: int | None
    has_audio: bool


@attrs.frozen
class Outcome:
    """What became of the newest recording of a meeting.

    Attributes:
        meeting_id: the meeting's id.
        recording_id: the recording's id.
        state: its state; one whose record is damaged has failed.
        reason: why it failed; otherwise empty.
        notes: irregularities of the recording, one sentence each.
        duration: length in ticks that the transcript states; ``None`` without one.
    """

    meeting_id: str
    recording_id: str
    state: JobState
    reason: str
    notes: tuple[str, ...]
    duration: int | None


@attrs.frozen
class Recording:
    """One recording of a meeting; several may share a meeting id.

    Attributes:
        id: 32 hexadecimal digits, of this recording alone.
        meeting_id: the id that the program chose.
        backend: the name of the backend that owns it.
        state: its place in the life cycle, see :mod:`speech_adapters.store.store`.
        reason: why it failed; otherwise empty.
        notes: irregularities of the recording, one sentence each.
        created: when it began, in UTC.
        updated: when its record last changed, in UTC.
        request: what the program requested; of the attendees only those with a voice
            signature, until the state is final.
        audio_path: where its audio is, or was.
        audio_bytes: size of the audio; ``None`` while it is uploading.
        attempts: how often processing was begun.
        progress: share of the audio processed, 0 to 1, or ``None`` when unknown.
        step: what is being done now, as a short text for people; empty once the
            state is final.
        backend_state: JSON text of the backend's own; empty when there is none.
        next_poll: Unix time in seconds before which the backend asks its service
            nothing; 0.0 for now.
        fallback: the name of the backend that becomes the owner when the service
            refuses the audio as too large; empty for none.
        keep_audio: whether the audio stays after the completion, until the deletion.
        replaces: the id of the recording that it takes over, until it has the audio of that
            one; empty otherwise.  Until then it counts as older than the other.
        duration: length in ticks that the transcript states; ``None`` without one.
        speakers: how many speakers the transcript distinguishes; ``None`` without one.
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
    step: str = ""
    backend_state: str = attrs.field(default="", repr=masked_repr)
    next_poll: float = 0.0
    fallback: str = ""
    keep_audio: bool = False
    replaces: str = ""
    duration: int | None = None
    speakers: int | None = None

    @property
    def provenance_notes(self) -> tuple[str, ...]:
        """What the transcript's provenance notes: defects of the audio, and of the recording."""
        return self.request.notes + self.notes

    def status(self) -> MeetingStatus:
        """Return the meeting's status, with the reason or else the notes."""
        reason = self.reason or " ".join(self.notes)
        return MeetingStatus(self.meeting_id, self.state, reason, self.progress, self.step)

    def summary(self) -> MeetingSummary:
        """Return what a list of meetings shows."""
        duration = self.duration
        if duration is None and self.audio_bytes is not None:
            duration = self.request.audio.ticks(self.audio_bytes)
        deleted = self.state is JobState.DELETED
        return MeetingSummary(
            self.meeting_id,
            self.id,
            self.state,
            self.created,
            duration,
            self.progress,
            self.step,
            self.speakers,
            has_audio=self.keep_audio and bool(self.audio_bytes) and not deleted,
        )
