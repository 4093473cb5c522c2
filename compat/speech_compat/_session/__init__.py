"""A running transcription: event loop, audio input, event delivery, mapping to the contract.

It imports nothing of ``_sdk`` at run time: the public classes use a session, never the
reverse.
"""

from __future__ import annotations

__all__: list[str] = []
