"""Compares the legacy surface with that of the real package; see :mod:`ledger.__main__`."""

from __future__ import annotations

__all__: list[str] = []
