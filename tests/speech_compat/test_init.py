from __future__ import annotations

import subprocess
import sys

import pytest

import speech_compat
from double.missing import block_imports
from speech_compat._sdk.real import SDK


@pytest.mark.parametrize(
    "name", ["SpeechSynthesizer", "translation", "intent", "KeywordRecognizer", "dialog"]
)
def test_a_name_that_was_not_retired_is_explained_without_the_real_package(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    block_imports(monkeypatch, SDK)
    # A submodule that another test has imported is an attribute.
    monkeypatch.delitem(vars(speech_compat), name, raising=False)
    with pytest.raises(
        NotImplementedError, match=rf"speech_compat.{name} is that of azure-.*: install it"
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
