"""Installed packages that consist of entry points."""

from __future__ import annotations

from pathlib import Path

__all__ = ["install_entry_points"]


def install_entry_points(folder: Path, name: str, entry_points: str) -> Path:
    """Install a package into a folder for ``sys.path`` or ``PYTHONPATH``; return the folder."""
    info = folder / f"{name}-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(entry_points)
    return folder
