"""The loopback speech service with the real SDK as its client."""

from __future__ import annotations

from double.loopback import configure, play

__all__ = ["configure", "play"]
