"""The options of the shadow backend; those of the two others are read by themselves."""

from __future__ import annotations

from typing import Final

from pydantic import field_validator

from speech_adapters.config import Options, Settings, missing_option, parse_options
from speech_adapters.errors import ConfigurationError

__all__ = ["NAME", "ShadowOptions", "shadow_options"]

NAME: Final = "shadow"


class ShadowOptions(Options):
    """Options of ``backends.shadow``.

    Attributes:
        primary: the name of the backend that serves the program.
        second: the name of the backend that transcribes each meeting too, after its end.
    """

    primary: str
    second: str

    @field_validator("primary", "second")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if name == NAME:
            raise ValueError(f"must be another backend than {NAME}")
        return name


def shadow_options(settings: Settings) -> ShadowOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is missing or wrong, or both name the same backend.
    """
    given = settings.backends.get(NAME, {})
    for name in ShadowOptions.model_fields:
        if not given.get(name):
            raise missing_option(NAME, name, "(the name of a backend)")
    options = parse_options(ShadowOptions, NAME, given)
    if options.primary == options.second:
        raise ConfigurationError(
            f"backends.shadow.primary and backends.shadow.second are both {options.second!r}: name"
            " two backends."
        )
    return options
