"""The backends ``replay`` and ``shadow``, also where the installed package lists neither."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from speech_adapters import registry
from speech_adapters.contract import SessionEvent
from speech_adapters.replay_script import dump_script
from speech_adapters.transcript import Provenance

__all__ = ["SOURCE", "install", "write_script"]

SOURCE = Provenance("local", "7")


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the registry list the backends, and the backend ``clock``."""
    points = (
        EntryPoint("replay", "speech_adapters.backends.replay:create", registry.GROUP),
        EntryPoint("shadow", "speech_adapters.backends.shadow:create", registry.GROUP),
        EntryPoint("clock", "double.clock_backend:create", registry.GROUP),
    )

    def entry_points(**wanted: Any) -> EntryPoints:
        found = metadata.entry_points(group=registry.GROUP)
        return EntryPoints((*found, *points)).select(**wanted)

    monkeypatch.setattr(registry, "entry_points", entry_points)


def write_script(path: Path, events: Sequence[SessionEvent]) -> str:
    """Write a script and return its path, as settings name it."""
    path.write_text(dump_script(events, SOURCE), encoding="utf-8")
    return str(path)
