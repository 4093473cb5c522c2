from __future__ import annotations

import pytest

import speech_compat
from double.missing import block_imports
from speech_compat import speech
from speech_compat._sdk.real import SDK


def test_the_package_has_every_name_of_the_module() -> None:
    assert set(speech.__all__) <= set(speech_compat.__all__)
    assert all(getattr(speech_compat, n) is getattr(speech, n) for n in speech.__all__)


def test_other_names_of_the_module_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    block_imports(monkeypatch, SDK)
    with pytest.raises(NotImplementedError, match=r"speech_compat\.speech\.SpeechRecognizer is"):
        _ = speech.SpeechRecognizer
