from __future__ import annotations

import json

import pytest

from speech_adapters.transcript import Utterance
from speech_compat import (
    CancellationErrorCode,
    CancellationReason,
    NoMatchReason,
    PropertyId,
    RecognitionResult,
    ResultReason,
    SessionEventArgs,
)
from speech_compat._sdk.results import (
    RecognitionEventArgs,
    SpeechRecognitionCanceledEventArgs,
    SpeechRecognitionEventArgs,
    SpeechRecognitionResult,
)
from speech_compat._session.mapping.results import MEETING, utterance_record
from speech_compat._session.records import EventRecord, ResultRecord

UTTERANCE = Utterance("a" * 32, "Good “morning” " * 300, 15, 20, 1)


def test_a_result_has_the_whole_text() -> None:
    result = RecognitionResult(
        utterance_record(UTTERANCE, MEETING, 3, ResultReason.RecognizedSpeech)
    )
    assert result.text == UTTERANCE.text
    assert len(result.text.encode()) > 2047
    assert (result.offset, result.duration, result.result_id) == (15, 20, "a" * 32)
    assert (result.channel, result.commit_token, result.error_json) == (0, 0, "")
    assert result.cancellation_details is None
    assert result.no_match_details is None
    assert json.loads(result.json) == {
        "Id": "a" * 32,
        "RecognitionStatus": "Success",
        "DisplayText": UTTERANCE.text,
        "Offset": 15,
        "Duration": 20,
        "SpeakerId": "Guest_1",
        "UtteranceId": "3_Guest_1_15",
    }
    assert result.properties == {PropertyId.SpeechServiceResponse_JsonResult: result.json}


def test_a_canceled_result_has_a_reason() -> None:
    result = RecognitionResult(
        ResultRecord(
            "b",
            ResultReason.Canceled,
            cancellation=CancellationReason.Error,
            code=CancellationErrorCode.Forbidden,
            error="why",
        )
    )
    details = result.cancellation_details
    assert details is not None
    assert (details.reason, details.code) == (
        CancellationReason.Error,
        CancellationErrorCode.Forbidden,
    )
    assert str(details) == (
        'CancellationDetails(reason=CancellationReason.Error, error_details="why")'
    )
    assert result.json == ""
    assert result.properties == {PropertyId.SpeechServiceResponse_JsonErrorDetails: "why"}


def test_a_result_without_a_match_has_a_reason() -> None:
    result = RecognitionResult(ResultRecord("c", ResultReason.NoMatch))
    assert result.no_match_details is not None
    assert result.no_match_details.reason is NoMatchReason.NotRecognized
    assert str(result.no_match_details) == "NoMatchDetails(reason=NoMatchReason.NotRecognized)"


@pytest.mark.parametrize("kind", [SessionEventArgs, RecognitionEventArgs])
def test_events_print_like_the_real_ones(kind: type[SessionEventArgs]) -> None:
    assert str(kind(EventRecord("d"))) == f"{kind.__name__}(session_id=d)"


def test_results_print_like_the_real_ones() -> None:
    record = ResultRecord("e", ResultReason.RecognizedSpeech, text="Hi.")
    assert str(RecognitionResult(record)) == (
        'RecognitionResult(result_id=e, text="Hi.", reason=ResultReason.RecognizedSpeech)'
    )


def test_classes_for_annotations_have_the_members_of_the_real_ones() -> None:
    record = EventRecord("s", 5, ResultRecord("e", ResultReason.Canceled, error="why"))
    event = SpeechRecognitionCanceledEventArgs(record)
    assert isinstance(event, SpeechRecognitionEventArgs)
    assert isinstance(event.result, SpeechRecognitionResult)
    assert (event.offset, event.cancellation_details.error_details) == (5, "why")
    assert str(event) == (
        "SpeechRecognitionCanceledEventArgs(session_id=s,"
        ' result=SpeechRecognitionResult(result_id=e, text="", reason=ResultReason.Canceled))'
    )


def test_a_result_without_a_match_has_its_reason() -> None:
    record = ResultRecord("c", ResultReason.NoMatch, no_match=NoMatchReason.InitialSilenceTimeout)
    details = RecognitionResult(record).no_match_details
    assert details is not None
    assert details.reason is NoMatchReason.InitialSilenceTimeout
