from __future__ import annotations

import pytest

from speech_compat._migration.imports import import_change, import_from_change

SDK = "azure.cognitiveservices.speech"


@pytest.mark.parametrize(
    ("module", "name", "target"),
    [
        (SDK, "speechsdk", "speech_compat"),
        (f"{SDK}.audio", "a", "speech_compat.audio"),
        (f"{SDK}.translation", "t", "speech_compat.translation"),
    ],
)
def test_an_import_with_a_name_is_changed(module: str, name: str, target: str) -> None:
    assert import_change(module, name) == (target, "")


@pytest.mark.parametrize(
    ("module", "name", "reason"),
    [
        (SDK, None, "with a name of its own"),
        (f"{SDK}.audio", None, "with a name of its own"),
        (f"{SDK}.speech_py_impl", "s", "has no module for"),
        ("azure.cognitiveservices", "cs", "the package above"),
    ],
)
def test_an_import_that_cannot_be_changed_has_a_reason(
    module: str, name: str | None, reason: str
) -> None:
    change = import_change(module, name)
    assert change is not None
    assert change[0] == ""
    assert reason in change[1]


@pytest.mark.parametrize(
    "module",
    ["azure", "azure.identity", f"{SDK}x", "speech_compat", "azure.cognitiveservices.vision"],
)
def test_other_imports_are_not_concerned(module: str) -> None:
    assert import_change(module, "x") is None
    assert import_from_change(module, ["x"]) is None


@pytest.mark.parametrize(
    ("module", "names", "target"),
    [
        (SDK, ["SpeechConfig", "audio"], "speech_compat"),
        (SDK, ["SpeechRecognizer", "translation"], "speech_compat"),
        (f"{SDK}.transcription", ["Meeting"], "speech_compat.transcription"),
        (f"{SDK}.translation", ["TranslationRecognizer"], "speech_compat.translation"),
        (SDK, ["*"], "speech_compat"),
        ("azure.cognitiveservices", ["speech"], "speech_compat"),
    ],
)
def test_imports_of_names_are_changed(module: str, names: list[str], target: str) -> None:
    assert import_from_change(module, names, {"SpeechConfig"}) == (target, "")


@pytest.mark.parametrize(
    ("module", "names", "reason"),
    [
        (SDK, ["SpeechConfig", "NoName"], "does not have NoName"),
        (SDK, ["*"], "'*' does not include SpeechRecognizer"),
        (f"{SDK}.none", ["x"], "has no module for"),
        ("azure.cognitiveservices", ["speech", "vision"], "several packages"),
        ("azure", ["cognitiveservices"], "the package above"),
    ],
)
def test_imports_of_names_that_are_left_have_a_reason(
    module: str, names: list[str], reason: str
) -> None:
    change = import_from_change(module, names, {"SpeechConfig", "SpeechRecognizer"})
    assert change is not None
    assert change[0] == ""
    assert reason in change[1]
