"""A running transcription: event loop, audio input, event delivery, mapping to the contract."""

from __future__ import annotations

__all__: list[str] = []
