"""The command ``speech-compat``."""

from __future__ import annotations

from speech_compat.cli.main import main

__all__ = ["main"]
