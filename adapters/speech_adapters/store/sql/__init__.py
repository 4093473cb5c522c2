"""The meeting store in an SQL database: the statements and rows that all databases share."""

from __future__ import annotations

__all__: list[str] = []
