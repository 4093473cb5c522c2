"""What a folder has on the disk, for tests that private data is gone."""

from __future__ import annotations

from pathlib import Path

__all__ = ["files_with"]


def files_with(folder: Path, text: str) -> list[Path]:
    """Return the files below a folder that contain a text."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if text.encode() in path.read_bytes()]
