"""The entry points of the installed packages.

A scan reads a file of every package on the system, which takes longer than all else that opening
a meeting needs.  So its result is kept while the folders that it searched are the same.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["entry_points"]

_Folder = tuple[str, int, int]


def entry_points(*, group: str, **wanted: Any) -> EntryPoints:
    """Return the entry points of a group that have the wanted attributes, such as ``name``."""
    return _scan(group, tuple(map(_state, sys.path))).select(**wanted)


@lru_cache(maxsize=4)
def _scan(group: str, _: tuple[_Folder, ...]) -> EntryPoints:
    # Slow to import, and most commands need no scan.
    from importlib import metadata

    return metadata.entry_points(group=group)


def _state(folder: str) -> _Folder:
    """Return what changes when a package is installed into a folder, or removed from it."""
    try:
        status = os.stat(folder or os.curdir)  # noqa: PTH116
    except OSError:
        return folder, 0, 0
    return folder, status.st_ino, status.st_mtime_ns
