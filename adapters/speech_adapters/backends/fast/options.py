"""The options of the fast backend."""

from __future__ import annotations

from typing import Final, Literal

from speech_adapters.azure.endpoint import ServiceOptions, service_options
from speech_adapters.config import Settings
from speech_adapters.errors import ConfigurationError

__all__ = ["NAME", "FastOptions", "fast_options"]

NAME: Final = "fast"


class FastOptions(ServiceOptions):
    """Options of ``backends.fast``, beside those of :class:`ServiceOptions`.

    Attributes:
        api_version: ``2025-10-15`` or ``2024-11-15``.
        model: address of a custom model of the Speech resource, for the request's language;
            2024-11-15 only.
    """

    api_version: Literal["2025-10-15", "2024-11-15"] = "2025-10-15"
    model: str = ""

    @property
    def accepts_phrases(self) -> bool:
        """Whether the version has phrase lists (docs/protocol/batch-and-fast-rest.md, 3)."""
        return self.api_version != "2024-11-15"


def fast_options(settings: Settings) -> FastOptions:
    """Return this backend's options from the settings.

    Raises:
        ConfigurationError: an option is wrong, or one that is needed is missing.
    """
    options = service_options(FastOptions, NAME, settings)
    # It was removed from the later version (docs/protocol/batch-and-fast-rest.md, 1).
    if options.model and options.api_version != "2024-11-15":
        raise ConfigurationError(
            f"backends.fast.model: version {options.api_version} of fast transcription has no"
            ' custom models. Set api_version to "2024-11-15", or choose the backend batch.'
        )
    return options
