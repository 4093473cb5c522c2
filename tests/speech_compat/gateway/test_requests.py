from __future__ import annotations

from typing import Any

import pytest

from speech_adapters.audio.pcm import PcmFormat
from speech_adapters.contract import SETTINGS, Attendee, MeetingRequest, Mode
from speech_compat._session.mapping.results import DIARIZATION, MEETING
from speech_compat.gateway.dialogue import MeetingEvent, Turn
from speech_compat.gateway.framing import FramingError
from speech_compat.gateway.requests import Announcement

MONO = PcmFormat()
# As the Python SDK 1.53 sends them.
NATIVE = {
    "phraseDetection": {
        "mode": "Conversation",
        "language": "de-DE",
        "enrichment": {"profanity": "raw"},
        "speakerDiarization": {
            "mode": "Anonymous",
            "audioOffsetMS": 0,
            "diarizeIntermediates": "True",
        },
    },
    "phraseOutput": {
        "format": "Detailed",
        "detailed": {"options": ["WordTimings", "WordConfidence"]},
    },
    "dgi": {"Groups": [{"Type": "Generic", "Items": [{"Text": "Contoso"}]}], "bias": 1.0},
    "audio": {"streams": {"1": None}},
}
# As the JavaScript SDK 1.52 sends them.
JAVASCRIPT = {
    "phraseDetection": {
        "mode": "Conversation",
        "speakerDiarization": {"audioOffsetMs": 0, "diarizeIntermediates": False},
        "language": "fr-FR",
        "enrichment": {},
        "initialSilenceTimeout": 900,
        "conversation": {"segmentation": {"mode": "Custom", "segmentationSilenceTimeoutMs": 700}},
    },
    "phraseOutput": {},
}


def event(name: str, **meeting: Any) -> MeetingEvent:
    return MeetingEvent(Turn("Id", {}, 0), name, meeting)


def meeting(query: dict[str, str], **fields: Any) -> Announcement:
    announcement = Announcement(query, {"audio": {"streams": {"1": None}}})
    announcement.note(event("start", id="m", **fields))
    return announcement


def asked(context: dict[str, Any], query: dict[str, str] | None = None) -> MeetingRequest:
    return Announcement(query or {}, context).request(MONO)


def test_real_time_diarization_of_the_native_sdk() -> None:
    announcement = Announcement({"language": "en-US", "format": "detailed"}, NATIVE)
    request = announcement.request(PcmFormat(8_000, 2))
    assert announcement.rules is DIARIZATION
    assert (announcement.detailed, announcement.words) == (True, True)
    assert request.mode is Mode.LIVE
    assert request.audio == PcmFormat(8_000, 2)
    assert request.language == "de-DE"
    assert request.differentiate_speakers
    assert request.phrases == ("Contoso",)
    assert request.word_timestamps
    assert dict(request.settings) == {
        "detailed": "true",
        "diarize_hypotheses": "true",
        "profanity": "raw",
    }
    assert request.meeting_id


def test_real_time_diarization_of_the_javascript_sdk() -> None:
    announcement = Announcement({"storeAudio": "true"}, JAVASCRIPT)
    request = announcement.request(MONO)
    assert (announcement.detailed, announcement.words) == (False, False)
    assert (request.language, request.word_timestamps) == ("fr-FR", False)
    assert dict(request.settings) == {
        "audio_logging": "true",
        "initial_silence_ms": "900",
        "segmentation_silence_ms": "700",
        "segmentation_strategy": "Custom",
    }


def test_the_store_keeps_nothing_of_real_time_diarization() -> None:
    assert asked(NATIVE, {"transcriptionMode": "async"}).mode is Mode.LIVE
    assert asked(NATIVE).meeting_id != asked(NATIVE).meeting_id


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("async", Mode.STORED),
        ("RealTimeAndAsync", Mode.BOTH),
        ("realtime", Mode.LIVE),
        ("", Mode.LIVE),
    ],
)
def test_the_query_has_the_mode_of_a_meeting(value: str, mode: Mode) -> None:
    announcement = meeting({"TranscriptionMode": value, "language": "en-gb"})
    request = announcement.request(MONO)
    assert (request.mode, request.meeting_id, request.language) == (mode, "m", "en-gb")
    assert announcement.rules is MEETING
    assert not request.differentiate_speakers


@pytest.mark.parametrize(("value", "expected"), [("true", True), (True, True), ("false", False)])
def test_guests_are_differentiated_on_request(value: object, expected: bool) -> None:
    request = meeting({}, DifferentiateGuestSpeakers=value).request(MONO)
    assert request.differentiate_speakers is expected


@pytest.mark.parametrize(("voice", "expected"), [('{"Version": 0}', True), ("", False)])
def test_voice_signatures_request_that_guests_are_differentiated(
    voice: str, expected: bool
) -> None:
    attendees = [{"id": "u", "preferredLanguage": "en", "voice": voice}]
    request = meeting({}, attendees=attendees).request(MONO)
    assert request.differentiate_speakers is expected
    off = meeting({}, attendees=attendees, DifferentiateGuestSpeakers="false").request(MONO)
    assert not off.differentiate_speakers


def test_a_property_that_is_not_set_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("speech_compat._session.mapping.requests._logged", set())
    for properties in ({"DifferentiateGuestSpeakers": "false"}, {}, {}):
        meeting({}, **properties).request(MONO)
    (text,) = caplog.messages
    assert "'DifferentiateGuestSpeakers' is not set" in text
    assert text.endswith("See docs/warnings.md#sc301")


def test_options_in_the_query() -> None:
    request = meeting(
        {
            "format": "detailed",
            "wordLevelTimestamps": "true",
            "profanity": "masked",
            "cid": "model",
            "endSilenceTimeoutMs": "500",
        }
    ).request(MONO)
    assert request.word_timestamps
    assert dict(request.settings) == {
        "detailed": "true",
        "endpoint_id": "model",
        "end_silence_ms": "500",
        "profanity": "masked",
    }


def test_languages_to_detect_with_their_custom_models() -> None:
    request = asked(
        {
            "languageId": {"languages": ["en-US", "de-DE"], "mode": "DetectAtAudioStart"},
            "phraseDetection": {"customModels": [{"language": "de-DE", "endpoint": "model"}]},
        },
        {"language": "en-US"},
    )
    assert request.languages == (("en-US", ""), ("de-DE", "model"))
    assert request.language == "en-US"


def test_every_setting_is_one_of_the_contract() -> None:
    query = {"profanity": "raw", "storeAudio": "true", "segmentationStrategy": "Time"}
    assert set(asked(NATIVE | JAVASCRIPT, query).settings) <= set(SETTINGS)


def test_participants_come_and_go() -> None:
    kim = {"id": "kim", "preferredLanguage": "en-US", "voice": "{}", "details": ""}
    announcement = meeting({}, attendees=[kim, {"id": "lee"}])
    assert announcement.attendees == (Attendee("kim", "en-US", "{}"), Attendee("lee"))
    announcement.note(event("join", attendees=[{"id": "mo"}, {"id": "kim", "voice": "new"}]))
    announcement.note(event("leave", attendees=[{"id": "lee"}, {"id": "unknown"}]))
    assert announcement.attendees == (Attendee("kim", "", "new"), Attendee("mo"))
    # A start replaces them: a reconnect repeats it with all that are present.
    announcement.note(event("start", id="m", attendees=[{"id": "mo"}]))
    assert announcement.request(MONO).attendees == (Attendee("mo"),)
    announcement.note(event("mute", attendees=[{"id": "lee"}]))
    assert [attendee.id for attendee in announcement.attendees] == ["mo"]


@pytest.mark.parametrize(
    "found",
    [
        {"attendees": "kim"},
        {"attendees": ["kim"]},
        {"attendees": [{"voice": "{}"}]},
        {"attendees": [{"id": ""}]},
        {"attendees": [{"id": 7}]},
        {"attendees": [{"id": "\ud800"}]},
        {"attendees": [{"id": str(number)} for number in range(201)]},
    ],
)
def test_wrong_participants_are_an_error_without_their_names(found: dict[str, Any]) -> None:
    with pytest.raises(FramingError) as caught:
        meeting({}, **found)
    assert "kim" not in str(caught.value)


@pytest.mark.parametrize("name", [None, "", 7, "x" * 513, "\udc00"])
def test_a_meeting_needs_an_id(name: object) -> None:
    announcement = Announcement({}, {})
    announcement.note(event("start", id=name))
    with pytest.raises(FramingError, match="id of the meeting"):
        announcement.request(MONO)


@pytest.mark.parametrize(
    "context",
    [
        {"phraseDetection": [1]},
        {"phraseDetection": {"speakerDiarization": "x"}},
        {"phraseOutput": {"detailed": 1}},
        {"dgi": "x"},
        {"languageId": [1]},
    ],
)
def test_a_field_of_the_wrong_type_is_an_error(context: dict[str, Any]) -> None:
    with pytest.raises(FramingError):
        asked(context)


@pytest.mark.parametrize(
    "context",
    [
        {"phraseDetection": {"language": ["x"], "customModels": ["x"]}},
        {"dgi": {"Groups": [1, {"Items": [1, {"Text": None}]}]}},
        {"languageId": {"languages": "en-US"}},
        {"languageId": {"languages": [None]}},
        {"phraseOutput": {"detailed": {"options": "WordTimings"}}},
    ],
)
def test_values_of_the_wrong_type_are_ignored(context: dict[str, Any]) -> None:
    request = asked(context)
    assert (request.language, request.languages, request.phrases) == ("en-US", (), ())
    assert not request.word_timestamps
