"""The contract between the facade and the backends.

A :class:`Backend` opens sessions and answers questions about meetings by id.  A
:class:`Session` accepts the audio of one meeting and yields its live events.  All methods
are coroutines and raise only :class:`~speech_adapters.errors.SpeechError`.

Programs reach backends through :class:`speech_adapters.meetings.MeetingService`, which owns
the meetings that are recorded on this machine.  A backend for such meetings derives from
:class:`speech_adapters.recording.backend.RecordingBackend`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import attrs

from speech_adapters.capabilities import Capabilities, Gap, gaps
from speech_adapters.request import SETTINGS, Attendee, MeetingRequest, Mode
from speech_adapters.transcript import Provenance, Transcript, Utterance

# With the names of requests and capabilities: a backend needs no other import for its face.
__all__ = [
    "SETTINGS",
    "Attendee",
    "Backend",
    "BlockingSession",
    "Capabilities",
    "Gap",
    "Hypothesis",
    "JobState",
    "MeetingRequest",
    "MeetingStatus",
    "Mode",
    "NoMatch",
    "Origin",
    "Progress",
    "Recognized",
    "Session",
    "SessionEvent",
    "SpeechEnded",
    "SpeechStarted",
    "gaps",
]


class JobState(Enum):
    """The state of a stored meeting; the last three are final."""

    UPLOADING = "Uploading"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DELETED = "Deleted"

    @property
    def final(self) -> bool:
        """Whether the state no longer changes by itself."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.DELETED)


@attrs.frozen
class MeetingStatus:
    """The status of the newest recording of a meeting.

    Attributes:
        meeting_id: the meeting's id.
        state: its state.
        reason: why it failed, or what happened to the recording; may be empty.
        progress: share of the audio processed, 0 to 1, or ``None`` when unknown.
        step: the present processing step in words; may be empty.
    """

    meeting_id: str
    state: JobState
    reason: str = ""
    progress: float | None = None
    step: str = ""


@attrs.frozen
class SpeechStarted:
    """Speech starts after silence, ``offset`` ticks into the recording."""

    offset: int


@attrs.frozen
class SpeechEnded:
    """Speech ends at ``offset`` ticks."""

    offset: int


@attrs.frozen
class Hypothesis:
    """An utterance so far; its text and speaker may still change."""

    utterance: Utterance


@attrs.frozen
class Recognized:
    """A final utterance.  With ``correction`` only its speaker differs from before."""

    utterance: Utterance
    correction: bool = False


@attrs.frozen
class NoMatch:
    """Audio that was recognized without a text: the service understood nothing.

    Attributes:
        offset: start, in ticks.
        duration: length, in ticks.
        reason: ``NotRecognized``, ``InitialSilenceTimeout``, ``InitialBabbleTimeout`` or
            ``EndSilenceTimeout``.
    """

    offset: int
    duration: int
    reason: str = "NotRecognized"


@attrs.frozen
class Progress:
    """The audio up to ``offset`` ticks has been recognized."""

    offset: int


@attrs.frozen
class Origin:
    """The transcript's provenance, sent if it is not that of the backend.

    That is so where something else than the configured engine must be used.
    """

    provenance: Provenance


SessionEvent = SpeechStarted | SpeechEnded | Hypothesis | Recognized | NoMatch | Progress | Origin
"""An event of a session."""


class _AsyncCloseable(Protocol):
    """Closed at the end of an ``async with`` block."""

    async def aclose(self) -> None:
        """Release everything, in bounded time.  Idempotent."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Session(_AsyncCloseable, Protocol):
    """One meeting being recorded; call ``push`` any number of times, ``finish``, ``aclose``.

    A session closed before ``finish`` ends the recording there: in the stored modes the
    audio pushed so far is kept and processed.
    """

    async def push(self, audio: bytes) -> None:
        """Accept whole sample frames of the request's format; return once they are safe.

        Waits while the backend cannot accept more, so memory stays bounded.
        """
        ...

    async def finish(self) -> None:
        """Mark the end of the audio.  Idempotent.

        In a stored mode the processing of the meeting has started when this returns, or the
        next status query starts it if the service is not available now; live events may
        still follow.
        """
        ...

    def events(self) -> AsyncIterator[SessionEvent]:
        """Yield live events in order, until the last one after ``finish``.

        In :attr:`Mode.STORED` there are none; the iterator ends after ``finish``.  Raises
        the error that ended the session early.  To be called once.
        """
        ...


@runtime_checkable
class BlockingSession(Protocol):
    """A session whose audio needs no event loop, because it is only written to a file.

    A :class:`Session` may have this method too.  Audio that arrives on a thread then costs a
    system call, instead of two changes of threads.
    """

    def push_blocking(self, audio: bytes) -> None:
        """Do what :meth:`Session.push` does, in any thread but that of the event loop.

        Blocks while the disk is slow.  To be used by one thread, and never beside ``push``.
        """
        ...


class Backend(_AsyncCloseable, Protocol):
    """One way to get meetings transcribed.

    The methods with a meeting id concern meetings that the backend's own service keeps;
    meetings recorded on this machine belong to the meeting service.
    """

    @property
    def name(self) -> str:
        """The name used in configuration."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        ...

    @property
    def provenance(self) -> Provenance:
        """The origin of its transcripts, without the notes of a meeting."""
        ...

    async def open_session(self, request: MeetingRequest) -> Session:
        """Start a meeting.

        Raises:
            MeetingBusyError: the meeting is being recorded already.
            StoreError: the meeting cannot be made durable (stored modes).
            BackendError: the engine or service cannot be reached.
        """
        ...

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Return the status of a meeting at the service.

        Raises:
            MeetingNotFoundError: no meeting has that id.
        """
        ...

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Retry a meeting that has failed, and return its status.

        Raises:
            MeetingNotFoundError: no meeting has that id.
            MeetingFailedError: a retry is impossible, with the reason.
        """
        ...

    async def transcript(self, meeting_id: str) -> Transcript:
        """Return the transcript of a meeting at the service.

        Raises:
            MeetingNotFoundError: no meeting has that id, or it was deleted.
            MeetingFailedError: it failed, with the reason.
            MeetingBusyError: it is not finished yet.
        """
        ...

    async def delete(self, meeting_id: str) -> None:
        """Delete what the service keeps of a meeting.

        Raises:
            MeetingNotFoundError: no meeting has that id.
        """
        ...
