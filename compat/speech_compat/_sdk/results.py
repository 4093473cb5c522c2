"""Results and events of the legacy interface.

Programs get them, they never make them; ``handle`` stands for the record that
holds the values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from speech_compat.enums import (
    CancellationErrorCode,
    CancellationReason,
    NoMatchReason,
    ResultReason,
)
from speech_compat.properties import PropertyId

__all__ = [
    "CancellationDetails",
    "ConnectionEventArgs",
    "EventRecord",
    "NoMatchDetails",
    "RecognitionEventArgs",
    "RecognitionResult",
    "ResultRecord",
    "SessionEventArgs",
    "SpeechRecognitionCanceledEventArgs",
    "SpeechRecognitionEventArgs",
    "SpeechRecognitionResult",
]


@dataclass(frozen=True)
class ResultRecord:
    """The values of a result; ``offset`` and ``duration`` in ticks of 100 ns."""

    result_id: str
    reason: ResultReason
    text: str = ""
    offset: int = 0
    duration: int = 0
    speaker: str = ""
    utterance_id: str = ""
    of_meeting: bool = False
    document: dict[str, object] = field(default_factory=dict)
    cancellation: CancellationReason = CancellationReason.EndOfStream
    code: CancellationErrorCode = CancellationErrorCode.NoError
    error: str = ""


@dataclass(frozen=True)
class EventRecord:
    """The values of an event."""

    session_id: str
    offset: int = 0
    result: ResultRecord | None = None


class CancellationDetails:
    """Why a transcription was canceled."""

    def __init__(self, result: RecognitionResult) -> None:
        record = result._record
        self._reason = record.cancellation
        self._code = record.code
        self._error_details = record.error

    @property
    def reason(self) -> CancellationReason:
        """``EndOfStream`` at the normal end, ``Error`` otherwise."""
        return self._reason

    @property
    def code(self) -> CancellationErrorCode:
        """The kind of error; ``NoError`` at the normal end."""
        return self._code

    @property
    def error_details(self) -> str:
        """What happened, why, and what to do; empty at the normal end."""
        return self._error_details

    def __str__(self) -> str:
        name = type(self).__name__
        return f'{name}(reason={self.reason}, error_details="{self.error_details}")'


class NoMatchDetails:
    """Why nothing was recognised."""

    def __init__(self, result_handle: ResultRecord) -> None:  # noqa: ARG002
        self._reason = NoMatchReason.NotRecognized

    @property
    def reason(self) -> NoMatchReason:
        """The reason."""
        return self._reason

    def __str__(self) -> str:
        return f"{type(self).__name__}(reason={self.reason})"


class RecognitionResult:
    """What was recognised."""

    def __init__(self, handle: ResultRecord) -> None:
        self._record = handle

    @property
    def result_id(self) -> str:
        """32 hexadecimal digits; hypotheses of an utterance and its final result share it."""
        return self._record.result_id

    @property
    def reason(self) -> ResultReason:
        """Why there is this result."""
        return self._record.reason

    @property
    def text(self) -> str:
        """The whole text; the real package cuts it (docs/protocol/legacy-interface.md, 4.3)."""
        return self._record.text

    @property
    def offset(self) -> int:
        """Start, in ticks of 100 ns."""
        return self._record.offset

    @property
    def duration(self) -> int:
        """Length, in ticks of 100 ns."""
        return self._record.duration

    @property
    def channel(self) -> int:
        """The audio channel (1.53); always 0, since channels are mixed down."""
        return 0

    @property
    def commit_token(self) -> int:
        """The token of a commit (1.53); always 0, since there are no commits."""
        return 0

    @property
    def json(self) -> str:
        """The result as a JSON document, empty when canceled."""
        return json.dumps(self._record.document) if self._record.document else ""

    @property
    def error_json(self) -> str:
        """What went wrong, empty when nothing did."""
        return self._record.error

    @property
    def properties(self) -> dict[PropertyId, str]:
        """The properties that are not empty."""
        found = {
            PropertyId.SpeechServiceResponse_JsonResult: self.json,
            PropertyId.SpeechServiceResponse_JsonErrorDetails: self.error_json,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def cancellation_details(self) -> CancellationDetails | None:
        """Why it was canceled, or ``None``."""
        return CancellationDetails(self) if self.reason is ResultReason.Canceled else None

    @property
    def no_match_details(self) -> NoMatchDetails | None:
        """Why nothing was recognised, or ``None``."""
        return NoMatchDetails(self._record) if self.reason is ResultReason.NoMatch else None

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}(result_id={self.result_id},"
            f' text="{self.text}", reason={self.reason})'
        )


class SessionEventArgs:
    """Something happened in a session."""

    def __init__(self, handle: EventRecord) -> None:
        self._event = handle

    @property
    def session_id(self) -> str:
        """32 hexadecimal digits, of one run from start to stop."""
        return self._event.session_id

    def __str__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id})"


class ConnectionEventArgs(SessionEventArgs):
    """A connection came or went."""


class RecognitionEventArgs(SessionEventArgs):
    """Something happened at a place in the audio."""

    @property
    def offset(self) -> int:
        """Where, in ticks of 100 ns."""
        return self._event.offset


class SpeechRecognitionResult(RecognitionResult):
    """Named by programs in annotations only: no transcriber gives one."""


class SpeechRecognitionEventArgs(RecognitionEventArgs):
    """Named by programs in annotations only: no transcriber gives one."""

    @property
    def result(self) -> SpeechRecognitionResult:
        """The result."""
        assert self._event.result is not None
        return SpeechRecognitionResult(self._event.result)

    def __str__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id}, result={self.result})"


class SpeechRecognitionCanceledEventArgs(SpeechRecognitionEventArgs):
    """Named by programs in annotations only: no transcriber gives one."""

    @property
    def cancellation_details(self) -> CancellationDetails:
        """Why it ended."""
        return CancellationDetails(self.result)
