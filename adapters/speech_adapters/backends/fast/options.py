"""The options of the fast backend."""

from __future__ import annotations

from typing import Final, Literal

from speech_adapters.azure.endpoint import ServiceOptions, service_options
from speech_adapters.config import Settings

__all__ = ["NAME", "FastOptions", "fast_options"]

NAME: Final = "fast"


class FastOptions(ServiceOptions):
    """Options of ``backends.fast``, beside those of :class:`ServiceOptions`.

    Attributes:
        api_version: ``2025-10-15`` or ``2024-11-15``.
    """

    api_version: Literal["2025-10-15", "2024-11-15"] = "2025-10-15"


def fast_options(settings: Settings) -> FastOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    return service_options(FastOptions, NAME, settings)
