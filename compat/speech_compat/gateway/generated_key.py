"""The access key of a gateway for which none is configured."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from speech_adapters.config import Settings
from speech_compat.gateway.options import GatewayOptions
from speech_compat.gateway.secret_file import kept_secret

__all__ = ["OWNER", "key_file", "with_generated_key"]

OWNER: Final = "local"
_FILE: Final = "gateway.key"


def key_file(settings: Settings) -> Path:
    """Return the file that keeps the key, so that a restart does not change it."""
    return settings.state_dir / _FILE


def with_generated_key(settings: Settings, options: GatewayOptions) -> tuple[Settings, str]:
    """Return settings with a key, and the key; empty if keys or tokens are configured.

    Raises:
        StoreError: the file of the key cannot be written or read.
    """
    if options.keys or options.tokens is not None:
        return settings, ""
    key = kept_secret(key_file(settings))
    table = {**settings.gateway, "keys": {OWNER: key}}
    return settings.model_copy(update={"gateway": table}), key
