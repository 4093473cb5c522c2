"""The names of the formats; apart from their parsers, because the command line is to start fast."""

from __future__ import annotations

from typing import Final

__all__ = ["FORMATS"]

FORMATS: Final = ("json", "result", "answer", "events", "rttm", "stm", "vtt", "srt", "text")
