"""Bots: the names of the real package's module."""

from __future__ import annotations

from speech_compat._sdk.passthrough import passthrough

__all__: list[str] = []

__getattr__ = passthrough(__name__)
