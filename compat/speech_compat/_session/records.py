"""The values behind results and events, on their way from a session to the program.

A session creates records; :mod:`speech_compat._sdk.results` wraps them in the legacy
classes.  They are a module of their own so that ``_session`` needs nothing of ``_sdk``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from speech_compat.enums import (
    CancellationErrorCode,
    CancellationReason,
    NoMatchReason,
    ResultReason,
)

__all__ = ["EventRecord", "ResultRecord"]


@dataclass(frozen=True)
class ResultRecord:
    """The values of a result.

    Attributes:
        result_id: 32 hexadecimal digits; an utterance keeps its id in every result.
        reason: hypothesis, final result or cancellation.
        text: display text.
        offset: start, in ticks of 100 ns.
        duration: length, in ticks of 100 ns.
        speaker: the label, spelled as the program's era of the interface spells it.
        utterance_id: ``{index}_{UserId}_{Offset}``; empty in fetched transcripts.
        meeting_era: whether the result has ``user_id`` and ``utterance_id`` rather than
            ``speaker_id``; the class ``ConversationTranscriptionResult`` serves both.
        document: the result as JSON data; empty when canceled.
        cancellation: why the transcription ended.
        code: the kind of error.
        error: the error's message; empty at the normal end.
        no_match: why nothing was understood, in a result of that kind.
    """

    result_id: str
    reason: ResultReason
    text: str = ""
    offset: int = 0
    duration: int = 0
    speaker: str = ""
    utterance_id: str = ""
    meeting_era: bool = False
    document: dict[str, object] = field(default_factory=dict)
    cancellation: CancellationReason = CancellationReason.EndOfStream
    code: CancellationErrorCode = CancellationErrorCode.NoError
    error: str = ""
    no_match: NoMatchReason = NoMatchReason.NotRecognized


@dataclass(frozen=True)
class EventRecord:
    """The values of an event; ``offset`` in ticks of 100 ns."""

    session_id: str
    offset: int = 0
    result: ResultRecord | None = None
