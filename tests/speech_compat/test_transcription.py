from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import speech_compat as speechsdk
from double.missing import block_imports
from oracle.scenario import PHRASES, Scenario
from oracle.scripted import Played, install
from speech_compat.audio import AudioConfig, PushAudioInputStream
from speech_compat.languageconfig import AutoDetectSourceLanguageConfig, SourceLanguageConfig
from speech_compat.transcription import (
    Conversation,
    ConversationTranscriber,
    Meeting,
    MeetingTranscriber,
)

CONFIG = speechsdk.SpeechConfig("key", "region")
MANY = "cannot construct ConversationTranscriber with more than one language configurations"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario(phrases=PHRASES[:2]), corrections=True))


def transcribe(transcriber: Any, stream: PushAudioInputStream) -> list[Any]:
    events: list[Any] = []
    transcriber.transcribed.connect(events.append)
    transcriber.canceled.connect(events.append)
    transcriber.start_transcribing_async().get()
    stream.write(bytes(3200))
    stream.close()
    transcriber._session.wait_stopped()
    return events


def test_the_old_era_joins_a_conversation_and_has_user_ids(played: Played) -> None:
    stream = PushAudioInputStream()
    transcriber = ConversationTranscriber(AudioConfig(stream=stream))
    transcriber.join_conversation_async(Conversation(CONFIG, "c")).get()
    with pytest.warns(speechsdk.GapWarning, match=r"SC301: .*'DifferentiateGuestSpeakers'"):
        *results, end = transcribe(transcriber, stream)
    assert [type(event).__name__ for event in results] == [
        "ConversationTranscriptionEventArgs"
    ] * 4  # each with its correction
    assert type(end).__name__ == "ConversationTranscriptionCanceledEventArgs"
    result = results[0].result
    assert (result.user_id, result.utterance_id) == ("Unidentified", "0_Unidentified_5000000")
    with pytest.raises(AttributeError, match="use 'user_id'"):
        _ = result.speaker_id
    assert str(result) == (
        f"ConversationTranscriptionResult(result_id={result.result_id}, user_id=Unidentified,"
        " utterance_id=0_Unidentified_5000000, text=Good morning, Steve.,"
        " reason=ResultReason.RecognizedSpeech)"
    )
    assert not played.requests[0].differentiate_speakers  # the program did not request it


def test_the_new_era_needs_no_conversation_and_has_speaker_ids(played: Played) -> None:
    stream = PushAudioInputStream()
    transcriber = ConversationTranscriber(CONFIG, AudioConfig(stream=stream))
    *results, end = transcribe(transcriber, stream)
    assert [event.result.speaker_id for event in results] == ["Unknown", "Guest-2"]
    result = results[1].result
    assert not hasattr(result, "user_id")
    assert not hasattr(result, "utterance_id")
    assert str(results[1]) == (
        f"ConversationTranscriptionEventArgs(session_id={results[1].session_id},"
        f" result=ConversationTranscriptionResult(result_id={result.result_id},"
        " speaker_id=Guest-2, text=Good morning, Katie., reason=ResultReason.RecognizedSpeech))"
    )
    assert end.cancellation_details.reason is speechsdk.CancellationReason.EndOfStream
    assert played.requests[0].differentiate_speakers


def test_keywords_select_the_era_too() -> None:
    audio = AudioConfig(stream=PushAudioInputStream())
    for old in (
        ConversationTranscriber(audio_config=audio),
        ConversationTranscriber(audio),
        ConversationTranscriber(),
        ConversationTranscriber(None),
    ):
        with pytest.raises(RuntimeError, match="JoinConversationAsync"):
            old.start_transcribing_async()
    for new in (
        ConversationTranscriber(speech_config=CONFIG, audio_config=audio),
        ConversationTranscriber(CONFIG, audio_config=audio),
    ):
        assert new.properties.get_property_by_name("SPEECH-Region") == "region"


def test_arguments_of_neither_era_are_refused() -> None:
    audio = AudioConfig(stream=PushAudioInputStream())
    with pytest.raises(ValueError, match="speech_config must be a SpeechConfig instance"):
        ConversationTranscriber(audio, audio)  # type: ignore[call-overload]
    with pytest.raises(
        TypeError, match=r"audio_config must be a speech_compat\.audio\.AudioConfig, not int"
    ):
        MeetingTranscriber(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "language"),
    [
        ({}, "en-US"),
        ({"language": "en-GB"}, "en-GB"),
        ({"source_language_config": SourceLanguageConfig("de-DE")}, "de-DE"),
        (
            {"auto_detect_source_language_config": AutoDetectSourceLanguageConfig(["en-IN", "de"])},
            "en-IN",
        ),
    ],
)
def test_the_language(played: Played, arguments: dict[str, Any], language: str) -> None:
    stream = PushAudioInputStream()
    with warnings.catch_warnings():
        # Only the first of several languages is used.
        warnings.filterwarnings("ignore", "SC112", speechsdk.GapWarning)
        transcribe(ConversationTranscriber(CONFIG, AudioConfig(stream=stream), **arguments), stream)
    assert played.requests[0].language == language


def test_languages_that_are_not_detected_are_a_warning(played: Played) -> None:
    stream = PushAudioInputStream()
    several = AutoDetectSourceLanguageConfig(["en-US", "de-DE"])
    transcriber = ConversationTranscriber(
        CONFIG, AudioConfig(stream=stream), auto_detect_source_language_config=several
    )
    text = r"\[language-detection\]: several languages are named"
    with pytest.warns(speechsdk.GapWarning, match=text):
        transcribe(transcriber, stream)


def test_more_than_one_language_is_refused() -> None:
    with pytest.raises(ValueError, match=MANY):
        ConversationTranscriber(
            CONFIG, None, "en-US", source_language_config=SourceLanguageConfig("de-DE")
        )
    with pytest.raises(ValueError, match="language cannot be an empty string"):
        ConversationTranscriber(CONFIG, None, "")


def test_a_meeting_must_be_joined_once() -> None:
    transcriber = MeetingTranscriber(AudioConfig(stream=PushAudioInputStream()))
    meeting = Meeting(CONFIG, "m")
    transcriber.join_meeting_async(meeting)  # nothing happens without get
    with pytest.raises(RuntimeError, match="Did you forget to call JoinConversationAsync"):
        transcriber.start_transcribing_async()
    transcriber.join_meeting_async(meeting).get()
    with pytest.raises(RuntimeError, match=r"0x2 \(SPXERR_ALREADY_INITIALIZED\)"):
        transcriber.join_meeting_async(meeting).get()


def test_leaving_and_stopping_need_no_start() -> None:
    transcriber = MeetingTranscriber()
    assert transcriber.leave_meeting_async().get() is None
    assert transcriber.stop_transcribing_async().get() is None


@pytest.mark.parametrize("content", [None, b"", b"text, not audio"])
def test_an_unusable_file_is_an_error_of_the_same_call_as_in_the_real_package(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    audio = AudioConfig(filename=str(path))
    with pytest.raises(RuntimeError, match=r"a\.wav"):
        ConversationTranscriber(CONFIG, audio)
    transcriber = MeetingTranscriber(audio)
    with pytest.raises(RuntimeError, match=r"a\.wav"):
        transcriber.join_meeting_async(Meeting(CONFIG, "m")).get()


def test_a_microphone_without_its_extra_is_a_cancellation_with_a_remedy(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    block_imports(monkeypatch, "sounddevice")
    transcriber = ConversationTranscriber(CONFIG, AudioConfig(use_default_microphone=True))
    events: list[Any] = []
    transcriber.canceled.connect(events.append)
    transcriber.start_transcribing_async().get()
    transcriber._session.wait_stopped()  # type: ignore[union-attr]
    assert "speech-compat[microphone]" in events[0].cancellation_details.error_details


def test_the_custom_model_of_a_language_is_requested(played: Played) -> None:
    stream = PushAudioInputStream()
    german = SourceLanguageConfig("de-DE", "my-model")
    audio = AudioConfig(stream=stream)
    transcriber = ConversationTranscriber(CONFIG, audio, source_language_config=german)
    text = r"\[setting endpoint_id\]: it is set, but the custom model is not used"
    with pytest.warns(speechsdk.GapWarning, match=text):
        transcribe(transcriber, stream)
    (request,) = played.requests
    assert (request.language, dict(request.settings)) == ("de-DE", {"endpoint_id": "my-model"})


@pytest.mark.parametrize("place", ["transcriber", "meeting", "config"])
def test_a_token_renewed_in_any_place_is_used(place: str) -> None:
    config = speechsdk.SpeechConfig(auth_token="first", region="r")
    config.set_property_by_name("DifferentiateGuestSpeakers", "true")
    transcriber, meeting = MeetingTranscriber(), Meeting(config, "m")
    transcriber.join_meeting_async(meeting).get()
    token = transcriber._plan(config).token
    assert token is not None
    assert token() == "first"
    places = {"transcriber": transcriber, "meeting": meeting, "config": config}
    places[place].authorization_token = "second"  # type: ignore[attr-defined]
    assert token() == "second"
