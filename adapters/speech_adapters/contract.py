"""What a backend is: it takes a meeting's audio, and answers what became of it.

A backend is reached through :class:`Backend`: open a session for a meeting, and
ask by meeting id for its state, its transcript, or its deletion.  A
:class:`Session` takes the audio and, where the meeting is live, gives events.
All methods are coroutines and raise only :class:`~speech_adapters.errors.SpeechError`.

What a backend can do is data (:class:`Capabilities`), so that what a program
asks for and would lose can be said before anything starts: :func:`gaps`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import Enum
from typing import Final, Protocol

import attrs

from speech_adapters.audio import PcmFormat
from speech_adapters.transcript import Provenance, Transcript, Utterance

__all__ = [
    "SETTINGS",
    "Attendee",
    "Backend",
    "Capabilities",
    "Gap",
    "Hypothesis",
    "JobState",
    "MeetingRequest",
    "MeetingStatus",
    "Mode",
    "Progress",
    "Recognized",
    "Session",
    "SessionEvent",
    "SpeechEnded",
    "SpeechStarted",
    "gaps",
]


class Mode(Enum):
    """What a meeting is transcribed for: events now, a transcript by id later, or both."""

    LIVE = "live"
    STORED = "stored"
    BOTH = "both"

    @property
    def live(self) -> bool:
        """Whether events are wanted while the audio flows."""
        return self is not Mode.STORED

    @property
    def stored(self) -> bool:
        """Whether the transcript must be there for whoever asks by meeting id."""
        return self is not Mode.LIVE


class JobState(Enum):
    """How far a stored meeting has come; the last three are final."""

    UPLOADING = "Uploading"
    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DELETED = "Deleted"

    @property
    def final(self) -> bool:
        """Whether the state will not change any more by itself."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.DELETED)


@attrs.frozen
class Attendee:
    """Someone announced as taking part; ``id`` is personal data and stays out of logs."""

    id: str
    language: str = ""
    has_voice_signature: bool = False


@attrs.frozen
class MeetingRequest:
    """What a program asks for.

    Attributes:
        meeting_id: any non-empty text; whoever knows it can ask for the meeting.
        audio: the format of what will be pushed (always 16-bit PCM, interleaved).
        mode: live events, stored transcript or both.
        language: BCP-47 tag of the language spoken.
        differentiate_speakers: tell speakers apart; otherwise ``speaker`` is ``None``.
        max_speakers: how many there are at most, if known.
        attendees: who was announced as taking part.
        phrases: words the recogniser should expect.
        word_timestamps: whether word timings are wanted.
        notes: what is known to be wrong with the audio, one sentence each; goes into
            the transcript's provenance.
        addresses: where the audio is, instead of its being pushed: ``https`` addresses
            of files that follow one another, or one that ends with a slash, of a folder
            of such files.  They may be signed, and stay out of logs.
        languages: what may be spoken, to be found out: each a BCP-47 tag with the id of
            a custom model for it, or an empty text.
        settings: what else is asked for, by the names of :data:`SETTINGS`.
    """

    meeting_id: str
    audio: PcmFormat = attrs.field(factory=PcmFormat)
    mode: Mode = Mode.LIVE
    language: str = "en-US"
    differentiate_speakers: bool = True
    max_speakers: int | None = None
    attendees: tuple[Attendee, ...] = ()
    phrases: tuple[str, ...] = ()
    word_timestamps: bool = False
    notes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    languages: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, str] = attrs.field(factory=dict)


# What can be asked for beside the fields of a request, with what is lost without it.
SETTINGS: Final[Mapping[str, str]] = {
    "audio_logging": "no service keeps the audio",
    "detailed": "there are no alternatives",
    "diarize_hypotheses": "hypotheses have no speaker",
    "dictation": "dictation is not switched on",
    "end_silence_ms": "silence has no such timeout",
    "endpoint_id": "the custom model is not used",
    "initial_silence_ms": "silence has no such timeout",
    "post_processing": "text is not processed that way",
    "profanity": "profanity is left as it is",
    "proxy": "the proxy is not used",
    "segmentation_max_ms": "utterances end where the backend ends them",
    "segmentation_silence_ms": "utterances end where the backend ends them",
    "segmentation_strategy": "utterances end where the backend ends them",
}


@attrs.frozen
class MeetingStatus:
    """What became of one recording of a meeting.

    Attributes:
        meeting_id: the meeting's id.
        state: how far it has come.
        reason: why it failed, or what befell it; empty when there is nothing to say.
        progress: share of the audio processed, 0 to 1, or ``None`` when unknown.
        step: what is being done just now, for people; empty when nothing is known.
    """

    meeting_id: str
    state: JobState
    reason: str = ""
    progress: float | None = None
    step: str = ""


@attrs.frozen
class SpeechStarted:
    """Speech was heard after silence, ``offset`` ticks into the recording."""

    offset: int


@attrs.frozen
class SpeechEnded:
    """No speech any more from ``offset`` on (ticks)."""

    offset: int


@attrs.frozen
class Hypothesis:
    """An utterance so far; its text and speaker may still change."""

    utterance: Utterance


@attrs.frozen
class Recognized:
    """A final utterance.  With ``correction`` its speaker replaces what was said before."""

    utterance: Utterance
    correction: bool = False


@attrs.frozen
class Progress:
    """Audio up to ``offset`` ticks has been recognised."""

    offset: int


SessionEvent = SpeechStarted | SpeechEnded | Hypothesis | Recognized | Progress


class Session(Protocol):
    """One meeting being recorded.  The order of calls is push*, finish, aclose."""

    async def push(self, audio: bytes) -> None:
        """Take whole sample frames of the request's format; returns once they are safe.

        Waits when the backend cannot take more just now, so memory stays bounded.
        """
        ...

    async def finish(self) -> None:
        """No more audio will come.  Idempotent.

        In a stored mode the meeting is handed over for processing when this
        returns; live events may still follow.
        """
        ...

    def events(self) -> AsyncIterator[SessionEvent]:
        """Give live events in order; ends after the last one once finished.

        In :attr:`Mode.STORED` there are none; it ends once finished.  Raises the
        error that cut the session off.  To be called once.
        """
        ...

    async def aclose(self) -> None:
        """Release everything, in bounded time.  Idempotent.

        A session closed before ``finish`` ends the recording there: what was
        taken is kept in the stored modes and can be processed.
        """
        ...


class Backend(Protocol):
    """A way to get meetings transcribed."""

    @property
    def name(self) -> str:
        """The name used in configuration."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def provenance(self) -> Provenance:
        """Where what it transcribes comes from, without the notes of a meeting."""
        ...

    async def open_session(self, request: MeetingRequest) -> Session:
        """Begin a meeting.

        Raises:
            MeetingBusyError: another process is recording this meeting.
            StoreError: the meeting cannot be made durable (stored modes).
            BackendError: the engine or service cannot be had.
        """
        ...

    async def status(self, meeting_id: str) -> MeetingStatus:
        """Tell what became of the newest recording of a meeting.

        Takes up processing again where it was interrupted.

        Raises:
            MeetingNotFoundError: no recording has that id.
        """
        ...

    async def resume(self, meeting_id: str) -> MeetingStatus:
        """Take up the newest recording of a meeting again if it has failed.

        Raises:
            MeetingNotFoundError: no recording has that id.
            MeetingFailedError: it cannot be tried again, with the reason.
        """
        ...

    async def transcript(self, meeting_id: str) -> Transcript:
        """Give the transcript of the newest recording of a meeting.

        Raises:
            MeetingNotFoundError: no recording has that id, or it was deleted.
            MeetingFailedError: it failed, with the reason.
            MeetingBusyError: it is not finished yet.
        """
        ...

    async def delete(self, meeting_id: str) -> None:
        """Delete audio and transcript of all recordings of a meeting.

        Raises:
            MeetingNotFoundError: no recording has that id.
            MeetingBusyError: it is being recorded just now.
        """
        ...

    async def aclose(self) -> None:
        """Release everything, in bounded time.  Idempotent."""
        ...


@attrs.frozen
class Capabilities:
    """What a backend can do; ``None`` means without limit.

    Attributes:
        live: gives events while the audio flows.
        stored: keeps a transcript for whoever asks by meeting id.
        diarization: tells speakers apart.
        identification: names speakers by their voice signatures.
        max_speakers_hint: makes use of the number of speakers announced.
        word_timestamps: gives word timings.
        phrases: makes use of a phrase list.
        languages: language subtags (``en``) it understands.
        max_channels: channels it keeps apart; more are mixed down.
        most_speakers: how many speakers it can tell apart.
        addresses: fetches audio from addresses by itself.
        detects_languages: finds out which of several languages is spoken.
        settings: the names of :data:`SETTINGS` it makes use of.
    """

    live: bool
    stored: bool
    diarization: bool = True
    identification: bool = False
    max_speakers_hint: bool = False
    word_timestamps: bool = False
    phrases: bool = False
    languages: frozenset[str] | None = None
    max_channels: int | None = 1
    most_speakers: int | None = None
    addresses: bool = False
    detects_languages: bool = False
    settings: frozenset[str] = frozenset()


@attrs.frozen
class Gap:
    """Something asked for that a backend will not do.

    Attributes:
        id: stable name, for documentation and filters.
        reason: what will be lost and why.
        way_out: what to do about it.
        blocking: whether nothing useful would come out, so the backend is passed over.
    """

    id: str
    reason: str
    way_out: str
    blocking: bool = False


def gaps(request: MeetingRequest, can: Capabilities) -> tuple[Gap, ...]:
    """Compare what is asked for with what a backend can do."""
    checks = _blocking_gaps(request, can) + _speaker_gaps(request, can) + _detail_gaps(request, can)
    return tuple(gap for missing, gap in checks if missing)


_Check = tuple[bool, Gap]


def _blocking_gaps(request: MeetingRequest, can: Capabilities) -> list[_Check]:
    language = request.language.split("-")[0].lower()
    most, wanted = can.most_speakers, request.max_speakers
    return [
        (request.mode.live and not can.live, _NO_LIVE),
        (request.mode.stored and not can.stored, _NO_STORED),
        (bool(request.addresses) and not can.addresses, _NO_ADDRESSES),
        (
            most is not None and wanted is not None and wanted > most,
            Gap(
                "too-many-speakers",
                f"{wanted} speakers are announced; it tells at most {most} apart",
                f"announce at most {most}, or choose another backend",
                blocking=True,
            ),
        ),
        (
            can.languages is not None and language not in can.languages,
            Gap(
                "language",
                f"language {request.language!r} is not understood"
                f" (only {', '.join(sorted(can.languages or ()))})",
                "choose another backend or, for the local one, another model",
                blocking=True,
            ),
        ),
    ]


def _speaker_gaps(request: MeetingRequest, can: Capabilities) -> list[_Check]:
    signed = any(attendee.has_voice_signature for attendee in request.attendees)
    return [
        (request.differentiate_speakers and not can.diarization, _NO_DIARIZATION),
        (signed and not can.identification, _NO_IDENTIFICATION),
        (request.max_speakers is not None and not can.max_speakers_hint, _NO_SPEAKER_HINT),
    ]


def _detail_gaps(request: MeetingRequest, can: Capabilities) -> list[_Check]:
    return [
        (
            can.max_channels is not None and request.audio.channels > can.max_channels,
            Gap(
                "channels",
                f"{request.audio.channels} channels are mixed down to {can.max_channels};"
                " the array's sense of direction is lost",
                'choose how in the setting "downmix"',
            ),
        ),
        (request.word_timestamps and not can.word_timestamps, _NO_WORDS),
        (bool(request.phrases) and not can.phrases, _NO_PHRASES),
        (len(request.languages) > 1 and not can.detects_languages, _NO_DETECTION),
        *((name not in can.settings, _unused(name)) for name in request.settings),
    ]


def _unused(name: str) -> Gap:
    return Gap(
        f"setting {name}",
        f"it is set, but {SETTINGS.get(name, 'nothing knows it')}",
        "leave it out, or choose another backend",
    )


_NO_LIVE = Gap(
    "live-events",
    "it gives no events while the audio flows",
    'use transcriptionMode "async", or another backend',
    blocking=True,
)
_NO_STORED = Gap(
    "stored-transcript",
    "it keeps no transcript for later",
    "listen to the events instead, or choose another backend",
    blocking=True,
)
_NO_ADDRESSES = Gap(
    "addresses",
    "it takes no audio from addresses",
    "download the audio, or choose the backend batch",
    blocking=True,
)
_NO_DIARIZATION = Gap(
    "diarization", "speakers are not told apart", "choose another backend", blocking=True
)
_NO_IDENTIFICATION = Gap(
    "voice-signature",
    "voice signatures are not used: speakers get numbers instead of the participants' ids",
    "map the numbers to people in your program; no service of today takes the old signatures",
)
_NO_SPEAKER_HINT = Gap(
    "speaker-count",
    "the number of speakers announced is not used: the engine finds it by itself",
    "leave it out, or choose another backend",
)
_NO_WORDS = Gap(
    "word-timestamps",
    "no word timings are given",
    "choose another backend or, for the local one, another model",
)
_NO_DETECTION = Gap(
    "language-detection",
    "several languages are given, but only the first is listened for",
    "give the one that is spoken, or choose another backend",
)
_NO_PHRASES = Gap("phrases", "the phrase list is not used", "choose another backend")
