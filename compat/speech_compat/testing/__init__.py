"""Services and tools for tests."""

from __future__ import annotations

__all__: list[str] = []
