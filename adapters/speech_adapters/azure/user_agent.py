"""The name of this project in requests to services."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

__all__ = ["user_agent"]

_PROJECT: Final = "speech-compat"


@cache
def user_agent() -> str:
    """Return ``speech-compat/VERSION`` for the header ``User-Agent``.

    The version is left out where the package was copied instead of installed.
    """
    try:
        return f"{_PROJECT}/{version(_PROJECT)}"
    except PackageNotFoundError:
        return _PROJECT
