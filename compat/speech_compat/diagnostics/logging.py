"""The native logs of the real package, by its names."""

from __future__ import annotations

from speech_compat._sdk.passthrough import passthrough

__all__: list[str] = []

__getattr__ = passthrough(__name__)
