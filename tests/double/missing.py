"""A package that is installed, made to look as if it was not."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

__all__ = ["block_imports", "hide_package"]


def block_imports(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let every import of a package and of its modules fail."""
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)


def hide_package(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let the checks for packages of extras miss a module."""
    real = importlib.util.find_spec

    def find(name: str, *more: Any) -> Any:
        return None if name == module else real(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", find)
