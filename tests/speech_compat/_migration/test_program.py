from __future__ import annotations

import ast
from pathlib import Path

import pytest

from speech_adapters.contract import Mode
from speech_compat._migration.program import Era, Feature, Program, read_program
from speech_compat._migration.usage import usage_of

PROGRAMS = Path(__file__).parents[2] / "programs"
HEAD = "import azure.cognitiveservices.speech as sdk\n"
MEETING = HEAD + "m = sdk.transcription.Meeting(c, 'id')\n"


def program(text: str) -> Program:
    return read_program(usage_of(ast.parse(text)))


@pytest.mark.parametrize(
    ("name", "era"),
    [
        ("meeting_era", Era.MEETING),
        ("meeting_signatures", Era.MEETING),
        ("conversation_era", Era.CONVERSATION),
        ("conversation_signatures", Era.CONVERSATION),
        ("diarization_era", Era.DIARIZATION),
        ("async_meeting", Era.MEETING),
    ],
)
@pytest.mark.parametrize("package", ["speech_compat", "azure.cognitiveservices.speech"])
def test_programs_of_each_era(name: str, era: Era, package: str) -> None:
    text = (PROGRAMS / f"{name}.py").read_text()
    assert program(text.replace("import speech_compat as", f"import {package} as")).eras[0] is era


@pytest.mark.parametrize(
    ("text", "era"),
    [
        ("sdk.transcription.ConversationTranscriber(c, a)", Era.DIARIZATION),
        ("sdk.transcription.ConversationTranscriber(speech_config=c)", Era.DIARIZATION),
        ("sdk.transcription.ConversationTranscriber(a, audio_config=b)", Era.DIARIZATION),
        ("c = sdk.SpeechConfig('k', 'r')\nsdk.transcription.ConversationTranscriber(c)",
         Era.DIARIZATION),
        ("sdk.transcription.ConversationTranscriber(audio_config=a)", Era.CONVERSATION),
        ("a = sdk.audio.AudioConfig(filename='x')\nsdk.transcription.ConversationTranscriber(a)",
         Era.CONVERSATION),
        ("sdk.transcription.ConversationTranscriber(a)", Era.DIARIZATION),
        ("t = sdk.transcription.ConversationTranscriber(a)\nt.join_conversation_async(x)",
         Era.CONVERSATION),
        ("sdk.transcription.ConversationTranscriber(**options)", Era.DIARIZATION),
        ("t.join_meeting_async(m)", Era.MEETING),
        ("def f(e: sdk.transcription.ConversationTranscriber): pass", Era.DIARIZATION),
        ("sdk.SpeechRecognizer(c)", Era.RECOGNIZER),
        ("sdk.translation.TranslationRecognizer(c)", Era.RECOGNIZER),
        ("sdk.SpeechSynthesizer(c)", Era.OTHER),
        ("sdk.SpeechConfig('k', 'r')", Era.OTHER),
    ],
)  # fmt: skip
def test_eras(text: str, era: Era) -> None:
    assert program(HEAD + text).eras == (era,)


def test_the_first_of_several_eras_is_the_retired_one() -> None:
    text = MEETING + "sdk.SpeechRecognizer(c)\nsdk.transcription.ConversationTranscriber(c, a)"
    assert program(text).eras == (Era.MEETING, Era.DIARIZATION, Era.RECOGNIZER)


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("sdk.transcription.Participant('a', 'en-us', s)", Feature.SIGNATURES),
        ("sdk.transcription.Participant('a', voice_signature=s)", Feature.SIGNATURES),
        ("p.set_voice_signature(s)", Feature.SIGNATURES),
        ("u = 'https://x/api/v1/Signature/GenerateVoiceSignatureFromFormData'", Feature.SIGNATURES),
        ("u = f'https://transcribe.{region}.cts.speech.microsoft.com/api'", Feature.ADDRESS),
        ("sdk.transcription.Participant('a', 'en-us')", Feature.PARTICIPANTS),
        ("sdk.audio.AudioStreamFormat(16000, 16, 8)", Feature.CHANNELS),
        ("n = 2\nsdk.audio.AudioStreamFormat(channels=n)", Feature.CHANNELS),
        ("sdk.AudioConfig(use_default_microphone=True)", Feature.MICROPHONE),
        ("sdk.AudioConfig(use_default_microphone=flag)", Feature.MICROPHONE),
        ("sdk.audio.AudioConfig(device_name='hw:1')", Feature.MICROPHONE),
        ("sdk.transcription.ConversationTranscriber(speech_config=c)", Feature.MICROPHONE),
        ("sdk.audio.AudioConfig(filename='x.wav')", Feature.FILE),
        ("sdk.audio.PushAudioInputStream()", Feature.STREAM),
        ("sdk.AudioStreamContainerFormat.MP3", Feature.COMPRESSED),
        ("sdk.languageconfig.AutoDetectSourceLanguageConfig(languages=l)", Feature.LANGUAGES),
        ("sdk.PhraseListGrammar.from_recognizer(r)", Feature.PHRASES),
        ("c.request_word_level_timestamps()", Feature.WORDS),
        ("c.set_service_property('transcriptionMode', 'async', x)", Feature.MODE),
        ("c.set_service_property(name='transcriptionMode', value='async', channel=x)",
         Feature.MODE),
    ],
)  # fmt: skip
def test_features_have_their_line(text: str, feature: Feature) -> None:
    assert program(HEAD + text).features[feature] == [1 + len(text.splitlines())]


@pytest.mark.parametrize(
    "text",
    [
        "sdk.transcription.Participant('a', 'en-us', '')",
        "sdk.audio.AudioStreamFormat(16000, 16, 1)",
        "sdk.audio.AudioStreamFormat(channels=n)",
        "sdk.audio.AudioStreamFormat(channels=1000000000)",
        "sdk.AudioConfig(use_default_microphone=False)",
        "sdk.transcription.ConversationTranscriber(speech_config=c, audio_config=a)",
        "sdk.transcription.ConversationTranscriber(c, a)",
        "c.set_service_property('other', 'async', x)",
    ],
)
def test_what_is_not_used_is_no_feature(text: str) -> None:
    used = set(program(HEAD + text).features) - {Feature.PARTICIPANTS}
    assert used == set()


def test_the_request_is_the_one_that_the_facade_would_make() -> None:
    (request,) = program(
        MEETING
        + """
c.set_property_by_name("DifferentiateGuestSpeakers", "true")
c.set_service_property("transcriptionMode", "RealTimeAndAsync",
    sdk.ServicePropertyChannel.UriQueryParameter)
c.set_property(sdk.PropertyId.SpeechServiceResponse_PostProcessingOption, "TrueText")
c.output_format = sdk.OutputFormat.Detailed
c.speech_recognition_language = "de-DE"
c.enable_dictation()
sdk.audio.AudioStreamFormat(16000, 16, 8)
sdk.transcription.Participant("a", "en-us", signature)
"""
    ).requests
    assert request.mode is Mode.BOTH
    assert request.language == "de-DE"
    assert request.audio.channels == 8
    assert set(request.settings) == {"post_processing", "detailed", "dictation"}
    assert request.attendees[0].has_voice_signature
    assert len(request.languages) == 0


def test_language_detection_asks_for_several_languages() -> None:
    text = "sdk.languageconfig.AutoDetectSourceLanguageConfig(languages=spoken)\n"
    (request,) = program(MEETING + text).requests
    assert len(request.languages) > 1


def test_each_language_is_a_request_and_only_the_older_eras_have_a_mode() -> None:
    found = program(
        HEAD
        + """
sdk.transcription.ConversationTranscriber(c, a, language="fr-FR")
sdk.SpeechConfig("k", "r", speech_recognition_language="de-DE")
c.set_service_property("transcriptionMode", "async", sdk.ServicePropertyChannel.UriQueryParameter)
"""
    )
    assert [request.language for request in found.requests] == ["fr-FR", "de-DE"]
    assert {request.mode for request in found.requests} == {Mode.LIVE}


def test_a_program_that_transcribes_nothing_makes_no_request() -> None:
    assert program(HEAD + "sdk.SpeechRecognizer(c)").requests == ()


@pytest.mark.parametrize(
    "line",
    ["c.set_proxy(1, 2, 3, 4, 5)", "c.set_property(sdk.PropertyId.NoSuch, 'x')",
     "c.set_property(sdk.speech, 'x')", "c.speech_recognition_language = ''"],
)  # fmt: skip
def test_what_the_facade_would_refuse_is_no_error(line: str) -> None:
    assert len(program(MEETING + line).requests) == 1


@pytest.mark.parametrize(
    ("line", "open_question"),
    [
        ("", True),
        ("c.set_property_by_name('DifferentiateGuestSpeakers', 'false')", False),
        ("sdk.transcription.Participant('a', 'en-us', s)", False),
    ],
)
def test_a_meeting_that_separates_no_speakers_is_noticed(line: str, open_question: bool) -> None:
    assert program(MEETING + line).undifferentiated is open_question
    assert not program(HEAD + "sdk.transcription.ConversationTranscriber(c, a)").undifferentiated
