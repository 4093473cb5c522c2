"""The version of the real package, as programs compare it."""

from __future__ import annotations

from speech_compat._sdk.real import version

__all__ = ["__version__"]

__version__ = version()
