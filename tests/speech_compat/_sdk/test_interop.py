"""Objects of the real package, compared with and passed to this one."""

from __future__ import annotations

import pickle
from enum import Enum
from typing import Any

import pytest

import speech_compat as facade
from oracle.test_oracle import why_not
from speech_compat import enums
from speech_compat._sdk.interop import checked
from speech_compat._sdk.real import SDK

ENUMS = [getattr(enums, name) for name in enums.__all__ if name != "Transcription"]
ENUMS += [enums.Transcription.ParticipantChangedReason]


def twin(kind: type[Enum], module: str = f"{SDK}.enums") -> Any:
    """Return an enumeration as the real package has it."""
    create: Any = Enum
    found = create(kind.__name__, {m.name: m.value for m in kind})
    found.__module__, found.__qualname__ = module, kind.__qualname__
    return found


@pytest.mark.parametrize("kind", ENUMS, ids=lambda kind: kind.__qualname__)
@pytest.mark.parametrize("module", [SDK, f"{SDK}.enums"])
def test_members_of_both_packages_are_equal_in_both_directions(
    kind: type[Enum], module: str
) -> None:
    for ours, theirs in zip(kind, twin(kind, module), strict=True):
        assert ours == theirs
        assert theirs == ours
        assert (ours != theirs) is False
        assert hash(ours) == hash(theirs)
        assert theirs in {ours}
        assert ours in {theirs}
        assert {theirs: 1}[ours] == 1
        assert kind(theirs) is ours


def test_other_members_and_enumerations_are_different() -> None:
    theirs = twin(enums.ResultReason)
    assert enums.ResultReason.NoMatch != theirs["Canceled"]
    assert enums.CancellationErrorCode.RuntimeError != theirs["Canceled"]
    assert enums.ResultReason.NoMatch != enums.ResultReason.Canceled
    assert enums.ResultReason.NoMatch != 0
    assert enums.ResultReason.NoMatch != twin(enums.ResultReason, "speech.enums")["NoMatch"]
    with pytest.raises(ValueError, match="is not a valid ResultReason"):
        enums.ResultReason(twin(enums.ServicePropertyChannel)["HttpHeader"])


def test_members_stay_members() -> None:
    found = pickle.loads(pickle.dumps(enums.ResultReason.NoMatch))
    assert found is enums.ResultReason.NoMatch
    assert enums.ResultReason(3) is enums.ResultReason.RecognizedSpeech


@pytest.fixture
def real() -> Any:
    if why_not():
        pytest.skip(why_not())
    import azure.cognitiveservices.speech

    return azure.cognitiveservices.speech


def test_members_of_the_installed_package_are_equal(real: Any) -> None:
    for kind in ENUMS:
        module = real.enums if hasattr(real.enums, kind.__name__) else real.audio
        nested = real.enums.Transcription.ParticipantChangedReason
        theirs = getattr(module, kind.__name__, nested)
        for member in theirs:
            assert kind[member.name] == member
            assert member == kind[member.name]
            assert {kind[member.name]: 1}[member] == 1


def test_members_of_the_installed_package_are_accepted(real: Any) -> None:
    config = facade.SpeechConfig("key", "region")
    config.output_format = real.OutputFormat.Detailed
    config.set_profanity(real.ProfanityOption.Raw)
    config.set_service_property("a", "b", real.ServicePropertyChannel.HttpHeader)
    config.set_service_property("c", "d", real.ServicePropertyChannel.UriQueryParameter)
    config.set_properties({real.PropertyId.SpeechServiceConnection_RecoLanguage: "de-DE"})
    assert config.output_format is facade.OutputFormat.Detailed
    assert config.get_property(facade.PropertyId.SpeechServiceResponse_ProfanityOption) == "raw"
    assert config.get_property_by_name("HttpHeader#a") == "b"
    assert config.speech_recognition_language == "de-DE"
    region = real.PropertyId.SpeechServiceConnection_Region
    assert config.get_property(region) == "region"
    with pytest.raises(RuntimeError, match="5"):
        config.set_property(region, None)  # type: ignore[arg-type]
    pcm = facade.audio.AudioStreamFormat(wave_stream_format=real.AudioStreamWaveFormat.PCM)
    assert pcm._encoding == facade.AudioStreamWaveFormat.PCM


def test_a_property_of_a_newer_package_has_its_own_name() -> None:
    create: Any = Enum
    newer = create("PropertyId", {"Speech_New": 99})
    newer.__module__ = SDK
    config = facade.SpeechConfig("key", "region")
    config.set_property(newer["Speech_New"], "value")
    assert config.get_property_by_name("Speech_New") == "value"


def test_objects_of_the_installed_package_are_refused_by_module(real: Any) -> None:
    config, theirs = facade.SpeechConfig("key", "region"), real.SpeechConfig("key", "region")
    audio = real.audio.AudioConfig(stream=real.audio.PushAudioInputStream())
    transcription: Any = facade.transcription
    meeting = transcription.Meeting(config, "id")
    language = real.languageconfig.SourceLanguageConfig("en-US")
    languages = real.languageconfig.AutoDetectSourceLanguageConfig(["en-US"])
    create = transcription.ConversationTranscriber
    cases: dict[Any, str] = {
        lambda: transcription.Meeting(theirs, "id"): "speech_config must be a SpeechConfig instance"
        f" of speech_compat, not {SDK}.SpeechConfig. Create it with speech_compat: ",
        lambda: create(theirs, facade.AudioConfig(True)): f"not {SDK}.SpeechConfig",
        lambda: create(config, audio): "audio_config must be a speech_compat.audio.AudioConfig,"
        f" not {SDK}.audio.AudioConfig. Create it",
        lambda: create(config, None, None, language): f"not {SDK}.languageconfig.SourceLanguage",
        lambda: create(config, None, None, None, languages): f"not {SDK}.languageconfig.Auto",
        lambda: facade.AudioConfig(stream=audio._stream): f"not {SDK}.audio.PushAudioInputStream",
        lambda: facade.audio.PushAudioInputStream(real.audio.AudioStreamFormat()): "AudioStreamF",
        lambda: meeting.add_participant_async(real.transcription.Participant("a", "b")): "Partici",
        lambda: (
            transcription.MeetingTranscriber()
            .join_meeting_async(real.transcription.Meeting(_in_room(theirs), "id"))
            .get()
        ): f"not {SDK}.transcription.Meeting",
        lambda: facade.AutoDetectSourceLanguageConfig(None, [language]): "must be a list of",
    }
    for refused, what in cases.items():
        with pytest.raises((TypeError, ValueError)) as caught:
            refused()
        assert what in str(caught.value)


def _in_room(config: Any) -> Any:
    config.set_property_by_name("ConversationTranscriptionInRoomAndOnline", "true")
    return config


def test_any_other_object_is_named_with_its_class() -> None:
    assert checked(1, int, "n", "an int") == 1
    with pytest.raises(TypeError, match=r"^n must be an int, not str$"):
        checked("", int, "n", "an int")
