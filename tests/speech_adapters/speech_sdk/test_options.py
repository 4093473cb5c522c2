from __future__ import annotations

import sys

import pytest

import speech_compat
from speech_adapters.errors import ConfigurationError, MissingExtraError
from speech_adapters.speech_sdk import options


def test_without_the_sdk_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install \"speech-compat\[realtime\]\""):
        options.need_sdk("realtime")


def test_a_facade_in_place_of_the_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would call itself without an end."""
    monkeypatch.setitem(sys.modules, "azure.cognitiveservices.speech", speech_compat)
    with pytest.raises(ConfigurationError, match=r"has speech_compat in place of azure.*needs"):
        options.need_sdk("realtime")
