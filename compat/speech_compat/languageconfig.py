"""The spoken language, in the legacy interface."""

from __future__ import annotations

from typing import Any

from speech_compat._sdk.interop import checked
from speech_compat._sdk.real import load

__all__ = ["AutoDetectSourceLanguageConfig", "SourceLanguageConfig"]

_LANGUAGES = "a list of speech_compat.languageconfig.SourceLanguageConfig"


class SourceLanguageConfig:
    """One language and, optionally, the id of a custom model for it.

    Raises:
        ValueError: language or endpoint id is empty (texts as in the real package).
    """

    def __init__(self, language: str, endpoint_id: str | None = None) -> None:
        if not language:
            raise ValueError("language cannot be an empty string")
        if endpoint_id is not None and not endpoint_id:
            raise ValueError("endpointId cannot be an empty string")
        self._language = language
        self._endpoint_id = endpoint_id or ""

    def _to_sdk(self) -> Any:
        create = load("languageconfig").SourceLanguageConfig
        return create(self._language, self._endpoint_id or None)


class AutoDetectSourceLanguageConfig:
    """Several languages, of which the service detects the spoken one.

    Raises:
        ValueError: a list is empty, or both are passed (texts as in the real package).
        TypeError: an element of ``sourceLanguageConfigs`` is of another class.
    """

    def __init__(
        self,
        languages: list[str] | None = None,
        sourceLanguageConfigs: list[SourceLanguageConfig] | None = None,  # noqa: N803
    ) -> None:
        if languages is not None and sourceLanguageConfigs is not None:
            raise ValueError(
                "languages and sourceLanguageConfigs cannot be both specified to create"
                " AutoDetectSourceLanguageConfig"
            )
        if languages is not None and not languages:
            raise ValueError("languages list cannot be empty")
        if sourceLanguageConfigs is not None and not sourceLanguageConfigs:
            raise ValueError("source language config list cannot be empty")
        for config in sourceLanguageConfigs or ():
            checked(config, SourceLanguageConfig, "sourceLanguageConfigs", _LANGUAGES)
        configs = sourceLanguageConfigs or [SourceLanguageConfig(tag) for tag in languages or ()]
        self._languages = tuple((config._language, config._endpoint_id) for config in configs)

    def _to_sdk(self) -> Any:
        theirs = load("languageconfig")
        if not self._languages:  # any language
            return theirs.AutoDetectSourceLanguageConfig()
        if not any(model for _, model in self._languages):
            return theirs.AutoDetectSourceLanguageConfig([tag for tag, _ in self._languages])
        configs = [
            theirs.SourceLanguageConfig(tag, model or None) for tag, model in self._languages
        ]
        return theirs.AutoDetectSourceLanguageConfig(sourceLanguageConfigs=configs)
