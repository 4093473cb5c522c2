"""The backends, one folder each.  A backend never imports another."""

from __future__ import annotations

__all__: list[str] = []
