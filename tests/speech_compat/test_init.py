from __future__ import annotations

import subprocess
import sys

import pytest

import speech_compat


@pytest.mark.parametrize(
    "name", ["SpeechSynthesizer", "translation", "intent", "KeywordRecognizer", "dialog"]
)
def test_a_name_that_is_not_included_is_explained(name: str) -> None:
    with pytest.raises(
        NotImplementedError, match=rf"does not include '{name}': .* Import it from azure"
    ):
        getattr(speech_compat, name)


def test_what_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = speech_compat.nonsense


def test_submodules_are_there_after_one_import() -> None:
    code = (
        "import speech_compat as speechsdk\n"
        "speechsdk.audio.AudioConfig, speechsdk.transcription.Meeting, speechsdk.enums\n"
        "speechsdk.languageconfig.SourceLanguageConfig, speechsdk.properties.PropertyId\n"
        "speechsdk.speech.SpeechConfig\n"
        "from speech_compat.transcription import ConversationTranscriber\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
