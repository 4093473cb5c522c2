"""The native logs of the real package (1.43 has them, 1.28 does not)."""

from __future__ import annotations

from speech_compat._sdk.passthrough import passthrough

__all__: list[str] = []

__getattr__ = passthrough(__name__)
