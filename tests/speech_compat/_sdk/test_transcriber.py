"""What all transcribers share; what differs between eras is in test_transcription.py."""

from __future__ import annotations

import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from double.missing import hide_package
from oracle.scenario import PHRASES, Scenario
from oracle.scripted import Played, install
from speech_adapters.contract import Mode
from speech_compat import GapWarning, ServicePropertyChannel, SpeechConfig
from speech_compat._sdk.transcriber import languages_of
from speech_compat._session.mapping.results import DIARIZATION, MEETING
from speech_compat.audio import AudioConfig, PushAudioInputStream
from speech_compat.languageconfig import AutoDetectSourceLanguageConfig, SourceLanguageConfig
from speech_compat.transcription import (
    ConversationTranscriber,
    Meeting,
    MeetingTranscriber,
    Participant,
)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return install(monkeypatch, Played(Scenario()))


@pytest.fixture
def config() -> SpeechConfig:
    config = SpeechConfig(auth_token="first", region="region")
    config.set_property_by_name("DifferentiateGuestSpeakers", "false")
    return config


@pytest.fixture
def stream() -> PushAudioInputStream:
    return PushAudioInputStream()


@pytest.fixture
def transcriber(stream: PushAudioInputStream) -> MeetingTranscriber:
    return MeetingTranscriber(AudioConfig(stream=stream))


def run(transcriber: Any, stream: PushAudioInputStream) -> None:
    transcriber.start_transcribing_async().get()
    stream.write(bytes(3200))
    stream.close()
    transcriber._session.wait_stopped()


def test_starting_twice_is_one_session(
    played: Played,
    transcriber: MeetingTranscriber,
    stream: PushAudioInputStream,
    config: SpeechConfig,
) -> None:
    transcriber.join_meeting_async(Meeting(config, "m")).get()
    started = list[str]()
    transcriber.session_started.connect(lambda event: started.append(event.session_id))
    threads = [threading.Thread(target=transcriber.start_transcribing_async) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(transcriber, stream)
    assert len(started) == 1
    assert len(played.requests) == 1


def test_the_session_id_is_a_property(
    played: Played,
    transcriber: MeetingTranscriber,
    stream: PushAudioInputStream,
    config: SpeechConfig,
) -> None:
    transcriber.join_meeting_async(Meeting(config, "m")).get()
    ids = set[str]()
    for signal in (transcriber.session_started, transcriber.transcribed, transcriber.canceled):
        signal.connect(lambda event: ids.add(event.session_id))
    run(transcriber, stream)
    assert ids == {transcriber.properties.get_property_by_name("SessionId")}


def test_leaving_during_the_meeting_suppresses_the_results_that_follow(
    played: Played,
    transcriber: MeetingTranscriber,
    stream: PushAudioInputStream,
    config: SpeechConfig,
) -> None:
    transcriber.join_meeting_async(Meeting(config, "m")).get()
    texts, ends = list[str](), list[str]()
    transcriber.transcribed.connect(lambda event: texts.append(event.result.text))
    transcriber.transcribed.connect(lambda _: transcriber.leave_meeting_async().get())
    transcriber.canceled.connect(lambda _: ends.append("canceled"))
    transcriber.session_stopped.connect(lambda _: ends.append("stopped"))
    run(transcriber, stream)
    assert texts == [PHRASES[0].text]
    assert ends == ["canceled", "stopped"]


def test_a_session_has_the_label_rules_of_its_era(
    transcriber: MeetingTranscriber, config: SpeechConfig
) -> None:
    transcriber._join(Meeting(config, "m"))
    assert transcriber._new_session()._rules is MEETING
    assert ConversationTranscriber(config)._new_session()._rules is DIARIZATION


def test_the_plan_of_a_meeting(transcriber: MeetingTranscriber, config: SpeechConfig) -> None:
    config.set_property_by_name("DifferentiateGuestSpeakers", "True")
    config.set_service_property(
        "transcriptionMode", "async", ServicePropertyChannel.UriQueryParameter
    )
    meeting = Meeting(config, "m")
    meeting.add_participant_async(Participant("u", "de-DE")).get()
    transcriber._join(meeting)
    plan = transcriber._plan(config)
    assert (plan.meeting_id, plan.mode, plan.language) == ("m", Mode.STORED, "en-US")
    assert plan.differentiate
    assert [attendee.id for attendee in plan.attendees] == ["u"]


@pytest.mark.parametrize(
    ("value", "signature", "expected"),
    [
        ("", '{"Version": 0}', True),
        ("", "", False),
        ("false", '{"Version": 0}', False),
        ("true", "", True),
    ],
)
def test_voice_signatures_request_diarization_unless_the_property_is_set(
    transcriber: MeetingTranscriber, value: str, signature: str, expected: bool
) -> None:
    config = SpeechConfig("key", "region")
    if value:
        config.set_property_by_name("DifferentiateGuestSpeakers", value)
    meeting = Meeting(config, "m")
    meeting.add_participant_async(Participant("u", "de-DE", signature)).get()
    transcriber._join(meeting)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert transcriber._plan(config).differentiate is expected
    # Only what was left open is a warning, which names the property.
    left_open = not value and not signature
    assert ["'DifferentiateGuestSpeakers' is not set" in str(w.message) for w in caught] == (
        [True] if left_open else []
    )


def test_an_unset_property_is_a_warning_of_the_start(
    played: Played, transcriber: MeetingTranscriber, stream: PushAudioInputStream
) -> None:
    transcriber.join_meeting_async(Meeting(SpeechConfig("key", "region"), "m")).get()
    with pytest.raises(GapWarning, match="SC301"):
        transcriber.start_transcribing_async()
    with pytest.warns(GapWarning, match="SC301") as caught:
        transcriber.start_transcribing_async()
    assert caught[0].filename == __file__
    stream.close()
    transcriber.stop_transcribing_async().get()


def test_without_a_meeting_the_plan_is_live_with_diarization_and_a_random_id(
    config: SpeechConfig,
) -> None:
    config.set_service_property(
        "transcriptionMode", "async", ServicePropertyChannel.UriQueryParameter
    )
    transcriber = ConversationTranscriber(config)
    first, second = transcriber._plan(config), transcriber._plan(config)
    assert first.mode is Mode.LIVE
    assert first.differentiate
    assert first.meeting_id != second.meeting_id


def test_the_properties_begin_with_those_of_the_configuration(
    transcriber: MeetingTranscriber, config: SpeechConfig
) -> None:
    assert transcriber.properties.get_property_by_name("SPEECH-Region") == ""
    transcriber.join_meeting_async(Meeting(config, "m")).get()
    assert transcriber.properties.get_property_by_name("SPEECH-Region") == "region"


def test_a_missing_file_is_an_error_of_joining(tmp_path: Path, config: SpeechConfig) -> None:
    audio = AudioConfig(filename=str(tmp_path / "missing.wav"))
    transcriber = MeetingTranscriber(audio)
    with pytest.raises(RuntimeError, match=r"missing\.wav cannot be read"):
        transcriber.join_meeting_async(Meeting(config, "m")).get()
    with pytest.raises(RuntimeError, match=r"missing\.wav cannot be read"):
        ConversationTranscriber(config, audio)


def test_a_file_that_needs_a_missing_package_is_an_error_of_joining(
    tmp_path: Path, config: SpeechConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(100))
    monkeypatch.setitem(sys.modules, "av", None)
    audio = AudioConfig(filename=str(tmp_path / "a.flac"))
    with pytest.raises(RuntimeError, match=r'pip install "speech-compat\[audio\]"'):
        ConversationTranscriber(config, audio)


def test_stopping_before_the_start_does_nothing(transcriber: MeetingTranscriber) -> None:
    assert transcriber.stop_transcribing_async().get() is None


GERMAN = SourceLanguageConfig("de-DE", "model")
SEVERAL = AutoDetectSourceLanguageConfig(sourceLanguageConfigs=[GERMAN, SourceLanguageConfig("fr")])


@pytest.mark.parametrize(
    ("arguments", "languages"),
    [
        ((None, None, None), ()),
        (("en-GB", None, None), (("en-GB", ""),)),
        ((None, GERMAN, None), (("de-DE", "model"),)),
        ((None, None, SEVERAL), (("de-DE", "model"), ("fr", ""))),
    ],
)
def test_one_argument_names_the_languages(arguments: Any, languages: Any) -> None:
    assert languages_of(*arguments) == languages


@pytest.mark.parametrize(
    "arguments", [("en-GB", GERMAN, None), (None, GERMAN, SEVERAL), ("", None, SEVERAL)]
)
def test_two_arguments_for_languages_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match="more than one language configurations"):
        languages_of(*arguments)


def test_an_empty_language_is_refused() -> None:
    with pytest.raises(ValueError, match="language cannot be an empty string"):
        languages_of("", None, None)


@pytest.mark.parametrize(
    ("module", "backend", "extra"),
    [("onnxruntime", "local", "local"), ("tenacity", "fast", "batch")],
)
def test_a_missing_extra_is_an_error_of_the_constructor(
    monkeypatch: pytest.MonkeyPatch, module: str, backend: str, extra: str
) -> None:
    hide_package(monkeypatch, module)
    config = SpeechConfig(subscription="key", region="westeurope")
    config.set_property_by_name("speech-compat.backend", backend)
    with pytest.raises(RuntimeError, match=rf"pip install \"speech-compat\[{extra}\]\""):
        ConversationTranscriber(config)
    meeting, transcriber = Meeting(config, "m"), MeetingTranscriber()
    for _ in range(2):  # a refused meeting is not joined
        with pytest.raises(RuntimeError, match="pip install"):
            transcriber.join_meeting_async(meeting).get()
