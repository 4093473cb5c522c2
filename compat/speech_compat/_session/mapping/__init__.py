"""The one place where legacy calls become contract requests, and events legacy results."""

from __future__ import annotations

__all__: list[str] = []
