from __future__ import annotations

from typing import Any

import pytest

from speech_compat.languageconfig import AutoDetectSourceLanguageConfig, SourceLanguageConfig

GERMAN = SourceLanguageConfig("de-DE", "endpoint")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: SourceLanguageConfig(""), "language cannot be an empty string"),
        (lambda: SourceLanguageConfig("en-US", ""), "endpointId cannot be an empty string"),
        (lambda: AutoDetectSourceLanguageConfig([]), "languages list cannot be empty"),
        (
            lambda: AutoDetectSourceLanguageConfig(sourceLanguageConfigs=[]),
            "source language config list cannot be empty",
        ),
        (
            lambda: AutoDetectSourceLanguageConfig(["en-US"], [GERMAN]),
            "languages and sourceLanguageConfigs cannot be both specified to create"
            " AutoDetectSourceLanguageConfig",
        ),
    ],
)
def test_what_is_refused(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == complaint


def test_languages_can_be_passed_either_way() -> None:
    assert AutoDetectSourceLanguageConfig(["en-US", "de-DE"])._languages == (
        ("en-US", ""),
        ("de-DE", ""),
    )
    assert AutoDetectSourceLanguageConfig(None, [GERMAN])._languages == (
        ("de-DE", GERMAN._endpoint_id),
    )
    assert AutoDetectSourceLanguageConfig()._languages == ()
