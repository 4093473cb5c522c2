"""A package that is installed, made to look as if it was not."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

__all__ = ["hide_package"]


def hide_package(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let the checks for packages of extras miss a module."""
    real = importlib.util.find_spec

    def find(name: str, *more: Any) -> Any:
        return None if name == module else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find)
