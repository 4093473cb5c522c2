from __future__ import annotations

import attrs
import pytest

from speech_adapters import errors
from speech_adapters.transcript import Provenance, Transcript, Utterance
from speech_compat import CancellationErrorCode as Code
from speech_compat import CancellationReason, ResultReason
from speech_compat._session.mapping.results import (
    DIARIZATION,
    MEETING,
    LabelRules,
    end_of_stream_record,
    error_code,
    error_record,
    remote_document,
    remote_item,
    remote_records,
    utterance_record,
)

UTTERANCE = Utterance("a" * 32, "Good morning.", 15, 20, 1)
UNKNOWN = Utterance("b" * 32, "Hello.", 40, 5, None)


def test_a_final_result_of_a_meeting() -> None:
    record = utterance_record(UTTERANCE, MEETING, 3, ResultReason.RecognizedSpeech)
    assert (record.result_id, record.text) == (UTTERANCE.id, UTTERANCE.text)
    assert (record.offset, record.duration) == (15, 20)
    assert (record.speaker, record.utterance_id) == ("Guest_1", "3_Guest_1_15")
    assert record.meeting_era
    assert list(record.document.items()) == [
        ("Id", "a" * 32),
        ("RecognitionStatus", "Success"),
        ("DisplayText", "Good morning."),
        ("Offset", 15),
        ("Duration", 20),
        ("SpeakerId", "Guest_1"),
        ("UtteranceId", "3_Guest_1_15"),
    ]


def test_an_identified_speaker_is_the_participant_in_every_result() -> None:
    """Sources: docs/protocol/legacy-interface.md, 3.5 and 2.5."""
    katie = attrs.evolve(UTTERANCE, participant="katie@example.com")
    record = utterance_record(katie, MEETING, 3, ResultReason.RecognizedSpeech)
    assert (record.speaker, record.utterance_id) == ("katie@example.com", "3_katie@example.com_15")
    assert record.document["SpeakerId"] == "katie@example.com"
    (fetched,) = remote_records(Transcript("m", (katie,), 35, Provenance("local", "1")))
    assert fetched.speaker == "katie@example.com"
    assert fetched.document["userId"] == "katie@example.com"


def test_a_hypothesis_of_real_time_diarization() -> None:
    record = utterance_record(UTTERANCE, DIARIZATION, 0, ResultReason.RecognizingSpeech)
    assert record.reason is ResultReason.RecognizingSpeech
    assert not record.meeting_era
    assert list(record.document.items()) == [
        ("Id", "a" * 32),
        ("Text", "Good morning."),
        ("Offset", 15),
        ("Duration", 20),
        ("SpeakerId", "Guest-2"),
    ]


@pytest.mark.parametrize(("rules", "label"), [(MEETING, "Unidentified"), (DIARIZATION, "Unknown")])
def test_an_unknown_speaker_has_the_label_of_the_era(rules: LabelRules, label: str) -> None:
    assert utterance_record(UNKNOWN, rules, 0, ResultReason.RecognizedSpeech).speaker == label


@pytest.mark.parametrize("rules", [MEETING, DIARIZATION])
def test_the_end_of_the_audio_is_a_cancellation_without_an_error(rules: LabelRules) -> None:
    record = end_of_stream_record("c", rules)
    assert (record.result_id, record.reason) == ("c", ResultReason.Canceled)
    assert (record.cancellation, record.code) == (CancellationReason.EndOfStream, Code.NoError)
    assert (record.error, record.document) == ("", {})
    assert record.meeting_era is rules.sends_corrections


def test_an_error_is_a_cancellation_with_code_and_text() -> None:
    record = error_record("c", MEETING, errors.AudioError("The audio is empty."))
    assert record.reason is ResultReason.Canceled
    assert (record.cancellation, record.code) == (CancellationReason.Error, Code.BadRequest)
    assert (record.error, record.document) == ("The audio is empty.", {})


# Every class of the error tree; those that are not listed have no code of their own.
CODES = {
    errors.AuthenticationError: Code.AuthenticationFailure,
    errors.ThrottledError: Code.TooManyRequests,
    errors.UnreachableError: Code.ConnectionFailure,
    errors.TimedOutError: Code.ServiceTimeout,
    errors.ServiceFailedError: Code.ServiceError,
    errors.UnavailableError: Code.ServiceUnavailable,
    errors.RefusedError: Code.BadRequest,
    errors.AudioError: Code.BadRequest,
    errors.ConfigurationError: Code.BadRequest,
    errors.NoBackendError: Code.BadRequest,
    errors.MissingExtraError: Code.BadRequest,
    errors.UnsupportedError: Code.BadRequest,
}


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_has_its_legacy_code(name: str) -> None:
    kind = getattr(errors, name)
    assert error_code(kind("why")) is CODES.get(kind, Code.RuntimeError)


def test_fetched_results_have_no_utterance_id_and_the_retired_services_json() -> None:
    transcript = Transcript("m", (UTTERANCE, UNKNOWN), 50, Provenance("b", "1"))
    first, second = remote_records(transcript)
    assert (first.speaker, first.utterance_id, first.meeting_era) == ("Guest_1", "", True)
    assert second.speaker == "Unidentified"
    item = {
        "userId": "Guest_1",
        "resultId": "a" * 32,
        "reason": "RecognizedSpeech",
        "text": "Good morning.",
        "durationInTicks": 20,
        "offsetInTicks": 15,
    }
    assert first.document == item
    document = remote_document(transcript)
    assert document["id"] == "m"
    assert document["processingStatus"] == 2
    assert document["transcriptions"] == [item, second.document]
    assert [remote_item(UTTERANCE), remote_item(UNKNOWN)] == document["transcriptions"]
