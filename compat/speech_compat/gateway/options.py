"""The options of the gateway: the table ``gateway`` of the settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from speech_adapters.config import Options, Settings, parse_options

__all__ = ["GatewayOptions", "gateway_options"]


class GatewayOptions(Options):
    """Options of the gateway.

    Attributes:
        host: the address to listen on.
        port: its port; 0 for any free one.
        keys: access keys by the name of their owner.  An owner sees only its own meetings.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    keys: dict[str, SecretStr] = Field(default_factory=dict)


def gateway_options(settings: Settings) -> GatewayOptions:
    """Return the options of the gateway from the settings.

    Raises:
        ConfigurationError: a name is unknown or a value is invalid.
    """
    return parse_options(GatewayOptions, "gateway", settings.gateway)
