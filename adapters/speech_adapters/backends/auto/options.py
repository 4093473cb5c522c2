"""The options of the auto backend; those of the services are read by ``fast`` and ``batch``."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from speech_adapters.config import Options, Settings, parse_options

__all__ = ["NAME", "AutoOptions", "auto_options"]

NAME: Final = "auto"


class AutoOptions(Options):
    """Options of ``backends.auto``.

    Different limits of the service were published at different times; the defaults are the
    smallest of them (docs/protocol/batch-and-fast-rest.md, 3).

    Attributes:
        fast_minutes: longer meetings are assigned to ``batch``.
        fast_megabytes: larger ones too; the size is that of the mono audio that is sent.
    """

    fast_minutes: float = Field(default=120.0, ge=0.0)
    fast_megabytes: float = Field(default=250.0, ge=0.0)


def auto_options(settings: Settings) -> AutoOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: one is wrong.
    """
    return parse_options(AutoOptions, NAME, settings.backends.get(NAME, {}))
