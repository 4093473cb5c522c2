"""Implementation of the SDK's public classes."""

from __future__ import annotations

__all__: list[str] = []
