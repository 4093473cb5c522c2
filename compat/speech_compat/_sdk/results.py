"""Results and events of the legacy interface.

Programs receive them and never create them.  The constructors keep the real package's
parameter names: ``handle`` is the record that holds the values.
"""

from __future__ import annotations

import json
from typing import Generic, TypeVar

from speech_compat._sdk.interop import SdkInstances
from speech_compat._sdk.real import is_sdk_object, load
from speech_compat._session.records import EventRecord, ResultRecord
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
    "MeetingResult",
    "NoMatchDetails",
    "RecognitionEventArgs",
    "RecognitionResult",
    "ResultEventArgs",
    "SessionEventArgs",
    "SpeechRecognitionCanceledEventArgs",
    "SpeechRecognitionEventArgs",
    "SpeechRecognitionResult",
]


class CancellationDetails(metaclass=SdkInstances):
    """Why a transcription was canceled."""

    def __init__(self, result: RecognitionResult) -> None:
        self._reason: CancellationReason
        self._code: CancellationErrorCode
        self._error_details: str
        if is_sdk_object(result):
            theirs = load().CancellationDetails(result)
            self._reason, self._code = theirs.reason, theirs.code
            self._error_details = theirs.error_details
            return
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
        """The error message, with a remedy; empty at the normal end."""
        return self._error_details

    def __str__(self) -> str:
        name = type(self).__name__
        return f'{name}(reason={self.reason}, error_details="{self.error_details}")'


class NoMatchDetails(metaclass=SdkInstances):
    """Why nothing was recognized."""

    def __init__(self, result_handle: ResultRecord) -> None:
        self._reason = result_handle.no_match

    @property
    def reason(self) -> NoMatchReason:
        """The reason."""
        return self._reason

    def __str__(self) -> str:
        return f"{type(self).__name__}(reason={self.reason})"


class RecognitionResult(metaclass=SdkInstances):
    """A hypothesis, a final result or a cancellation."""

    def __init__(self, handle: ResultRecord) -> None:
        self._record = handle

    @property
    def result_id(self) -> str:
        """32 hexadecimal digits; hypotheses of an utterance and its final result share it."""
        return self._record.result_id

    @property
    def reason(self) -> ResultReason:
        """The kind of result: hypothesis, final or canceled."""
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
        # Serialized on access: most programs read the text only.
        return json.dumps(self._record.document) if self._record.document else ""

    @property
    def error_json(self) -> str:
        """The error message; empty without an error."""
        return self._record.error

    @property
    def properties(self) -> dict[PropertyId, str]:
        """A copy of the properties that are not empty."""
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
        """Why nothing was recognized, or ``None``."""
        return NoMatchDetails(self._record) if self.reason is ResultReason.NoMatch else None

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}(result_id={self.result_id},"
            f' text="{self.text}", reason={self.reason})'
        )


class MeetingResult(RecognitionResult):
    """A result with a user id and an utterance id."""

    @property
    def user_id(self) -> str:
        """The speaker: a participant's id, ``Guest_0``, ``Guest_1``, ... or ``Unidentified``."""
        return self._record.speaker

    @property
    def utterance_id(self) -> str:
        """``{index}_{UserId}_{Offset}``; the correction of a result has another one."""
        return self._record.utterance_id

    def __str__(self) -> str:
        return (
            f"{type(self).__name__}(result_id={self.result_id}, user_id={self.user_id},"
            f" utterance_id={self.utterance_id}, text={self.text}, reason={self.reason})"
        )


class SessionEventArgs(metaclass=SdkInstances):
    """An event of a session."""

    def __init__(self, handle: EventRecord) -> None:
        self._event = handle

    @property
    def session_id(self) -> str:
        """32 hexadecimal digits; a new one for each start."""
        return self._event.session_id

    def __str__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id})"


class ConnectionEventArgs(SessionEventArgs):
    """A connection was opened or closed."""


class RecognitionEventArgs(SessionEventArgs):
    """An event at a position in the audio."""

    @property
    def offset(self) -> int:
        """The position, in ticks of 100 ns."""
        return self._event.offset


R = TypeVar("R", bound=RecognitionResult)


class ResultEventArgs(RecognitionEventArgs, Generic[R]):
    """An event with a result."""

    _result_class: type[R]

    def __init__(self, handle: EventRecord) -> None:
        super().__init__(handle)
        assert handle.result is not None
        self._result = self._result_class(handle.result)

    @property
    def result(self) -> R:
        """The result."""
        return self._result

    def __str__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id}, result={self.result})"


class SpeechRecognitionResult(RecognitionResult):
    """For annotations in programs only; no transcriber emits one."""


class SpeechRecognitionEventArgs(RecognitionEventArgs):
    """For annotations in programs only; no transcriber emits one."""

    @property
    def result(self) -> SpeechRecognitionResult:
        """The result."""
        assert self._event.result is not None
        return SpeechRecognitionResult(self._event.result)

    def __str__(self) -> str:
        return f"{type(self).__name__}(session_id={self.session_id}, result={self.result})"


class SpeechRecognitionCanceledEventArgs(SpeechRecognitionEventArgs):
    """For annotations in programs only; no transcriber emits one."""

    @property
    def cancellation_details(self) -> CancellationDetails:
        """Why it ended."""
        return CancellationDetails(self.result)
