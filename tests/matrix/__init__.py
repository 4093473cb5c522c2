"""Generates the pages about backends and warnings; see :mod:`matrix.__main__`."""

from __future__ import annotations

__all__: list[str] = []
