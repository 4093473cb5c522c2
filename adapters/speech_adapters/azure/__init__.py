"""Endpoint options, credentials, HTTP client and result parser of the Azure backends."""

from __future__ import annotations

__all__: list[str] = []
