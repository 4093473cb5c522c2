"""Names that were not retired, with and without the real package."""

from __future__ import annotations

import gc
import importlib
import inspect
import logging
import sys
import threading
from types import ModuleType
from typing import Any, Optional, Union
from unittest import mock

import pytest

import speech_compat as speechsdk
from double.missing import block_imports
from oracle.test_oracle import why_not
from speech_compat._sdk import passthrough, real
from speech_compat._sdk.passthrough import MissingSdkError
from speech_compat._sdk.real import SDK, convert, load, version
from speech_compat.testing.loopback import Line, LoopbackService, Script

LINES = (
    Line("Who is there?", 1_000_000, 8_000_000, "Unknown", ("who",)),
    Line("It is me.", 10_000_000, 8_000_000, "Guest-1", ("it", "it is")),
)
PROPERTY = speechsdk.PropertyId


@pytest.fixture
def sdk() -> Any:
    if why_not():
        pytest.skip(why_not())
    return load()


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real package cannot be imported."""
    block_imports(monkeypatch, SDK)
    monkeypatch.setattr(passthrough, "_logged", set())


@pytest.fixture
def config() -> speechsdk.SpeechConfig:
    return speechsdk.SpeechConfig("key", "westeurope")


@pytest.mark.usefixtures("absent")
def test_without_the_real_package_names_are_absent_attributes() -> None:
    assert not hasattr(speechsdk, "SpeechSynthesizer")
    assert getattr(speechsdk, "KeywordRecognizer", None) is None
    assert not hasattr(speechsdk.audio, "AudioOutputConfig")
    with pytest.raises(ImportError, match="cannot import name 'SpeechRecognizer'"):
        from speech_compat import SpeechRecognizer  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'TranslationRecognizer'"):
        from speech_compat.translation import TranslationRecognizer  # noqa: F401
    with mock.patch("speech_compat.SpeechRecognizer", create=True) as patched:
        assert speechsdk.SpeechRecognizer is patched
    assert not hasattr(speechsdk, "SpeechRecognizer")


@pytest.mark.usefixtures("absent")
def test_without_the_real_package_the_error_has_the_reason() -> None:
    with pytest.raises(MissingSdkError) as caught:
        _ = speechsdk.SpeechSynthesizer
    assert isinstance(caught.value, AttributeError | NotImplementedError)
    text = str(caught.value)
    assert text.startswith(
        "speech_compat.SpeechSynthesizer is that of azure-cognitiveservices-speech, since speech"
        " synthesis was not retired. That package cannot be imported ("
    )
    assert "pip install 'speech-compat[realtime]'" in text


@pytest.mark.usefixtures("absent")
def test_the_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        hasattr(speechsdk, "SpeechSynthesizer")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("speech_compat", logging.WARNING)
    assert "speech synthesis was not retired" in record.message


@pytest.mark.usefixtures("absent")
def test_unknown_names_are_plain_attribute_errors(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("nonsense", "_private", "__wrapped__"):
        with pytest.raises(AttributeError, match=f"'speech_compat' has no attribute '{name}'"):
            getattr(speechsdk, name)
    assert not caplog.records


@pytest.mark.usefixtures("sdk")
def test_with_the_real_package_unknown_names_are_plain_attribute_errors() -> None:
    # The real package's module has imported ctypes.
    for name in ("nonsense", "_private", "ctypes"):
        with pytest.raises(AttributeError, match=f"'speech_compat.speech' has no .* '{name}'"):
            getattr(speechsdk.speech, name)


def test_a_library_that_cannot_be_loaded_is_an_import_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: str) -> None:
        raise OSError("wrong ELF class")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ImportError, match=r"library of azure-.* cannot be loaded: wrong ELF class"):
        load()


def test_a_replaced_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Otherwise the facade would call itself without an end.
    for name in ("azure", "azure.cognitiveservices"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, SDK, speechsdk)
    with pytest.raises(ImportError, match=f"sys.modules has speech_compat in place of {SDK}"):
        load()
    assert not hasattr(speechsdk, "SpeechSynthesizer")


def test_the_version_is_that_of_the_installed_package(
    sdk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speech_compat.version import __version__ as found

    assert speechsdk.__version__ == found == sdk.__version__
    monkeypatch.setattr(real, "DISTRIBUTION", "no-such-distribution")
    assert version() == "1.53.0"


def test_classes_behave_as_classes(sdk: Any, config: speechsdk.SpeechConfig) -> None:
    wrapped: Any = speechsdk.SpeechRecognizer
    assert wrapped is speechsdk.speech.SpeechRecognizer
    assert (wrapped.__module__, wrapped.__name__) == ("speech_compat", "SpeechRecognizer")
    assert Optional[wrapped] == Union[wrapped, None] == wrapped | None  # noqa: UP007, UP045
    assert inspect.signature(wrapped) == inspect.signature(sdk.SpeechRecognizer)
    assert wrapped.recognizing.__doc__ == sdk.SpeechRecognizer.recognizing.__doc__
    made = wrapped(config, speechsdk.AudioConfig(stream=speechsdk.audio.PushAudioInputStream()))
    assert isinstance(made, wrapped)
    assert isinstance(made, speechsdk.Recognizer)
    assert not isinstance(made, speechsdk.SpeechSynthesizer)
    assert isinstance(mock.create_autospec(wrapped, instance=True), mock.NonCallableMagicMock)
    del made
    # The destructor of a derived class would end in a RecursionError, which warns.
    gc.collect()


@pytest.mark.usefixtures("sdk")
def test_classes_can_be_base_classes() -> None:
    class Target(speechsdk.audio.PushAudioOutputStreamCallback):  # type: ignore[misc]
        def write(self, audio_buffer: memoryview) -> int:
            return audio_buffer.nbytes

    target = Target()
    assert issubclass(Target, speechsdk.audio.PushAudioOutputStreamCallback)
    assert isinstance(target, Target)
    assert not isinstance(object(), Target)
    assert speechsdk.audio.PushAudioOutputStream(target)


def test_submodules_have_the_classes_of_both_packages(sdk: Any) -> None:
    import speech_compat.translation as module

    assert speechsdk.translation is module
    assert module.SpeechConfig is speechsdk.SpeechConfig
    assert module.ResultReason is speechsdk.ResultReason
    assert module.languageconfig is speechsdk.languageconfig
    assert issubclass(sdk.translation.TranslationRecognizer, module.TranslationRecognizer)

    assert speechsdk.diagnostics.logging.MemoryLogger
    silence = speechsdk.AudioConfig(stream=speechsdk.audio.PushAudioInputStream())
    bot = speechsdk.dialog.BotFrameworkConfig("key", region="westeurope")
    connector = speechsdk.dialog.DialogServiceConnector(bot, silence)
    found = speechsdk.Connection.from_dialog_service_connector(connector)
    assert isinstance(found, speechsdk.Connection)
    assert speechsdk.enums.SpeechSynthesisOutputFormat is sdk.SpeechSynthesisOutputFormat
    assert speechsdk.interop.LogLevel.Error.value == 2


@pytest.mark.usefixtures("sdk")
def test_members_of_enumerations_are_converted_in_methods_and_properties() -> None:
    made = speechsdk.translation.SpeechTranslationConfig("key", "westeurope")
    made.set_property(PROPERTY.SpeechServiceConnection_LanguageIdMode, "Continuous")
    made.set_properties({PROPERTY.Speech_SegmentationSilenceTimeoutMs: "500"})
    made.output_format = speechsdk.OutputFormat.Detailed
    made.set_profanity(profanity_option=speechsdk.ProfanityOption.Raw)
    assert made.output_format == speechsdk.OutputFormat.Detailed
    assert made.get_property(PROPERTY.SpeechServiceConnection_LanguageIdMode) == "Continuous"
    assert made.get_property(PROPERTY.Speech_SegmentationSilenceTimeoutMs) == "500"


def test_a_member_that_the_installed_package_lacks_is_refused(
    sdk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sdk.enums, "OutputFormat")
    monkeypatch.setattr(sdk.audio, "OutputFormat", sdk.ResultReason, raising=False)
    with pytest.raises(ValueError, match=r"-speech 1\.\d+\.\d+ has no OutputFormat.Simple\. Inst"):
        convert(speechsdk.OutputFormat.Simple)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"subscription": "k", "region": "westeurope"}, {"Key": "k", "Region": "westeurope"}),
        ({"auth_token": "t", "region": "westeurope"}, {"Region": "westeurope"}),
        ({"subscription": "k", "endpoint": "wss://a.b/c"}, {"Key": "k", "Endpoint": "wss://a.b/c"}),
        ({"endpoint": "wss://a.b/c"}, {"Endpoint": "wss://a.b/c"}),
        ({"subscription": "k", "host": "wss://a.b"}, {"Key": "k", "Host": "wss://a.b"}),
    ],
)
@pytest.mark.usefixtures("sdk")
def test_a_configuration_is_converted_with_all_properties(
    arguments: dict[str, str], expected: dict[str, str]
) -> None:
    config = speechsdk.SpeechConfig(**arguments)
    config.speech_recognition_language = "de-DE"
    config.authorization_token = "t"
    config.set_property_by_name("own", "value")
    config.set_property_by_name("speech-compat.backend", "local")
    config.output_format = speechsdk.OutputFormat.Detailed
    made = convert(config)
    for name, value in expected.items():
        member = getattr(PROPERTY, f"SpeechServiceConnection_{name}")
        found = made.get_property(convert(member))
        assert found == value
    assert made.authorization_token == "t"
    assert made.speech_recognition_language == "de-DE"
    assert made.get_property_by_name("own") == "value"
    assert made.get_property_by_name("speech-compat.backend") == ""
    assert made.output_format == speechsdk.OutputFormat.Detailed


@pytest.mark.usefixtures("sdk")
def test_a_credential_is_passed_on() -> None:
    from azure.core.credentials import AccessToken

    class Credential:
        def get_token(self, *_: object, **__: object) -> AccessToken:
            return AccessToken("t", 0)

    credential = Credential()
    config = speechsdk.SpeechConfig(token_credential=credential, endpoint="wss://a.b/c")
    assert convert(config).token_credential is credential


def test_settings_of_synthesis_reach_the_synthesizer(
    sdk: Any, config: speechsdk.SpeechConfig
) -> None:
    config.speech_synthesis_language = "de-DE"
    config.speech_synthesis_voice_name = "de-DE-KatjaNeural"
    config.set_speech_synthesis_output_format(
        speechsdk.SpeechSynthesisOutputFormat.Riff24Khz16BitMonoPcm
    )
    assert config.speech_synthesis_language == "de-DE"
    assert config.speech_synthesis_voice_name == "de-DE-KatjaNeural"
    assert config.speech_synthesis_output_format_string == "riff-24khz-16bit-mono-pcm"
    with pytest.raises(TypeError, match="wrong type, must be SpeechSynthesisOutputFormat"):
        config.set_speech_synthesis_output_format(1)
    made = speechsdk.SpeechSynthesizer(speech_config=config, audio_config=None)
    for member, value in {
        PROPERTY.SpeechServiceConnection_SynthVoice: "de-DE-KatjaNeural",
        PROPERTY.SpeechServiceConnection_SynthOutputFormat: "riff-24khz-16bit-mono-pcm",
    }.items():
        assert made.properties.get_property(member) == value
    assert type(speechsdk.Connection.from_speech_synthesizer(made)) is sdk.Connection


def test_languages_formats_and_files_are_converted(sdk: Any, config: Any, tmp_path: Any) -> None:
    language = speechsdk.SourceLanguageConfig("de-DE", "model")
    assert type(convert(language)) is sdk.languageconfig.SourceLanguageConfig
    create = speechsdk.AutoDetectSourceLanguageConfig
    some = [language, speechsdk.SourceLanguageConfig("en-US")]
    for found in (create(), create(languages=["de-DE"]), create(sourceLanguageConfigs=some)):
        assert type(convert([found])[0]) is sdk.languageconfig.AutoDetectSourceLanguageConfig
    compressed = speechsdk.audio.AudioStreamFormat(
        compressed_stream_format=speechsdk.AudioStreamContainerFormat.MP3
    )
    assert type(convert(compressed)) is sdk.audio.AudioStreamFormat
    audio = speechsdk.AudioConfig(filename=str(tmp_path / "a.wav"))
    audio.set_property_by_name("own", "value")
    assert convert(audio).get_property_by_name("own") == "value"
    named = convert(speechsdk.AudioConfig(device_name="hw:1,0"))
    assert type(named) is type(convert(speechsdk.AudioConfig(True))) is sdk.audio.AudioConfig
    device = convert(PROPERTY.AudioConfig_DeviceNameForCapture)
    assert named.get_property(device) == "hw:1,0"


@pytest.mark.usefixtures("sdk")
def test_objects_without_a_counterpart_are_refused(config: speechsdk.SpeechConfig) -> None:
    transcriber = speechsdk.transcription.MeetingTranscriber()
    assessment = speechsdk.PronunciationAssessmentConfig("text")
    with pytest.raises(TypeError, match="A speech_compat MeetingTranscriber cannot be used here"):
        assessment.apply_to(transcriber)
    with pytest.raises(TypeError, match="use a push or pull stream"):
        convert(speechsdk.audio.AudioInputStream(None))


class Pull(speechsdk.audio.PullAudioInputStreamCallback):
    def __init__(self, size: int) -> None:
        self.left = size
        self.closed = False

    def read(self, buffer: memoryview) -> int:
        count = min(self.left, buffer.nbytes)
        self.left -= count
        return count

    def close(self) -> None:
        self.closed = True


def recognized(recognizer: Any) -> list[str]:
    """Recognize to the end; return the final texts."""
    texts: list[str] = []
    ended = threading.Event()

    def receive(event: Any) -> None:
        assert isinstance(event, speechsdk.SpeechRecognitionEventArgs)
        assert isinstance(event.result, speechsdk.SpeechRecognitionResult)
        assert not isinstance(event, speechsdk.SpeechRecognitionCanceledEventArgs)
        assert event.result.reason == speechsdk.ResultReason.RecognizedSpeech
        assert event.result.reason in {speechsdk.ResultReason.RecognizedSpeech}
        assert event.result.properties[PROPERTY.SpeechServiceResponse_JsonResult]
        texts.append(event.result.text)

    def cancel(event: Any) -> None:
        details = speechsdk.CancellationDetails(event.result)
        assert (details.reason, details.error_details) == (
            speechsdk.CancellationReason.EndOfStream,
            "",
        )
        assert isinstance(event.cancellation_details, speechsdk.CancellationDetails)
        texts.append(event.cancellation_details.reason.name)

    recognizer.recognized.connect(receive)
    recognizer.canceled.connect(cancel)
    recognizer.session_stopped.connect(lambda _: ended.set())
    future = recognizer.start_continuous_recognition_async()
    assert isinstance(future, speechsdk.ResultFuture)
    assert isinstance(recognizer.recognized, speechsdk.EventSignal)
    future.get()
    assert ended.wait(30)
    recognizer.stop_continuous_recognition_async().get()
    return texts


def push_stream(size: int, *, late: bool) -> Any:
    stream = speechsdk.audio.PushAudioInputStream(speechsdk.audio.AudioStreamFormat(16_000, 16, 1))
    stream.set_property("before", "1")
    stream.write(bytes(0 if late else size))
    if not late:
        stream.close()
    return stream


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("kind", ["early", "late", "pull"])
def test_streams_are_passed_on(kind: str) -> None:
    size = 3 * 32_000
    with LoopbackService(Script(LINES)).running() as url:
        config = speechsdk.SpeechConfig(endpoint=f"{url}/stt/speech/universal/v2", subscription="k")
        pull = Pull(size)
        stream: Any = push_stream(size, late=kind == "late")
        if kind == "pull":
            stream = speechsdk.audio.PullAudioInputStream(pull)
        recognizer = speechsdk.SpeechRecognizer(
            speech_config=config,
            audio_config=speechsdk.AudioConfig(stream=stream),
            language="en-US",
        )
        assert convert(stream) is convert(stream), "both would receive half of the audio"
        if kind == "late":
            stream.set_property("after", "1")
            stream.write(bytearray(size))
            assert (stream.commit() >= 0, stream.commit_channel(0) >= 0) == (True, True)
            stream.close()
            stream.close()
            stream.write(b"ignored")
        phrases = speechsdk.PhraseListGrammar.from_recognizer(recognizer)
        phrases.addPhrase("Steve")
        connection = speechsdk.Connection.from_recognizer(recognizer)
        assert isinstance(phrases, speechsdk.PhraseListGrammar)
        assert isinstance(connection, speechsdk.Connection)
        assert recognized(recognizer) == ["Who is there?", "It is me.", "EndOfStream"]
    assert pull.left == (0 if kind == "pull" else size)
