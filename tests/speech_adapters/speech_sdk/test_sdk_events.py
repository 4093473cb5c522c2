"""Events of the Speech SDK and their messages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import azure.cognitiveservices.speech as sdk
import pytest

from speech_adapters.errors import (
    BackendError,
    SpeechError,
    TimedOutError,
    UnreachableError,
)
from speech_adapters.speech_sdk.messages import (
    Completed,
    Failed,
    FinalResult,
    PartialResult,
)
from speech_adapters.speech_sdk.sdk_events import final_result, last_message, partial_result
from speech_adapters.transcript import Word


def result(json: str, **changed: Any) -> Any:
    """Return what the SDK calls a result."""
    reason = sdk.ResultReason.RecognizedSpeech
    values = {"text": "hi", "offset": 50, "duration": 9, "speaker_id": None, "reason": reason}
    return SimpleNamespace(json=json, **{**values, **changed})


@pytest.mark.parametrize("json", ["", "[]", "{no json", "null"])
def test_an_answer_of_another_form_has_no_words(json: str) -> None:
    assert final_result(result(json)) == FinalResult("hi", 50, 9)


def test_hypotheses_have_the_label_of_their_speaker() -> None:
    found = partial_result(result("{}", speaker_id="Guest-1"))
    assert found == PartialResult("hi", 50, 9, "Guest-1")
    assert partial_result(result("{}")) == PartialResult("hi", 50, 9, "")


def canceled(code: str, details: str, reason: str = "Error") -> Any:
    """Return what the SDK calls a canceled event."""
    return SimpleNamespace(
        cancellation_details=SimpleNamespace(
            reason=getattr(sdk.CancellationReason, reason),
            code=getattr(sdk.CancellationErrorCode, code),
            error_details=details,
        )
    )


def test_the_end_of_the_audio_is_no_failure() -> None:
    assert last_message(canceled("NoError", "", "EndOfStream")) == Completed()


@pytest.mark.parametrize(
    ("code", "details", "kind", "message"),
    [
        (
            "ConnectionFailure",
            "Lost wss://h/p?key=SECRET now. [CALL STACK BEGIN] more",
            UnreachableError,
            "Real-time transcription ended: Lost wss://h/p now. Check the network, the region"
            " and the endpoint.",
        ),
        ("RuntimeError", "", BackendError, "Real-time transcription ended: RuntimeError"),
        (
            "ServiceTimeout",
            "silent\nmore",
            TimedOutError,
            "Real-time transcription ended: silent",
        ),
    ],
)
def test_failures_have_the_type_of_their_code_and_no_secrets(
    code: str, details: str, kind: type[SpeechError], message: str
) -> None:
    found = last_message(canceled(code, details))
    assert isinstance(found, Failed)
    assert type(found.error) is kind
    assert str(found.error) == message


def test_audio_that_is_not_understood_is_an_empty_result() -> None:
    details = SimpleNamespace(reason=sdk.NoMatchReason.InitialSilenceTimeout)
    unknown = result("{}", reason=sdk.ResultReason.NoMatch, no_match_details=details)
    assert final_result(unknown) == FinalResult("", 50, 9, no_match="InitialSilenceTimeout")


def test_words_of_a_later_turn_count_from_the_start_of_the_result() -> None:
    """The answer counts from the turn, in which the result starts at 20."""
    word = '{"Word": "Hi.", "Offset": 22, "Duration": 5, "Confidence": 0.5}'
    answer = f'{{"Offset": 20, "NBest": [{{"DisplayWords": [{word}]}}]}}'
    found = final_result(result(answer))
    assert found.words == (Word("Hi.", 52, 5, 0.5),)


def test_half_a_character_becomes_one_that_can_be_stored() -> None:
    words = '{"NBest": [{"Words": [{"Word": "a\\ud83d"}]}]}'
    (word,) = final_result(result(words)).words
    assert word.text == "a\ufffd"


def test_the_label_and_the_id_of_a_meetings_result() -> None:
    found = final_result(
        SimpleNamespace(**vars(result("{}")) | {"speaker_id": ""}, user_id="Guest_0", result_id="r")
    )
    assert (found.label, found.id) == ("Guest_0", "r")


@pytest.mark.parametrize(
    "answer",
    ['{"DisplayText": "Hi there."}', '{"NBest": [{"Display": "Hi there."}]}'],
)
def test_a_text_that_the_sdk_cut_off_is_whole(answer: str) -> None:
    cut = vars(result(answer)) | {"text": "Hi th"}
    assert final_result(SimpleNamespace(**cut)).text == "Hi there."


@pytest.mark.parametrize("answer", ['{"DisplayText": "Other."}', '{"DisplayText": 5}', "{}"])
def test_the_text_of_the_sdk_counts_where_the_answer_has_another(answer: str) -> None:
    cut = vars(result(answer)) | {"text": "Hi th"}
    assert final_result(SimpleNamespace(**cut)).text == "Hi th"
