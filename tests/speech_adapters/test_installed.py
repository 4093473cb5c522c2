from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from double.packages import install_entry_points
from speech_adapters.config import GROUP
from speech_adapters.installed import entry_points


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each scan adds its group."""
    counted: list[str] = []
    scan = metadata.entry_points

    def count(**wanted: Any) -> Any:
        counted.append(wanted["group"])
        return scan(**wanted)

    monkeypatch.setattr(metadata, "entry_points", count)
    return counted


def install(folder: Path, name: str) -> None:
    install_entry_points(folder, name, f"[{GROUP}]\n{name} = os:path\n")


def names() -> set[str]:
    return {point.name for point in entry_points(group=GROUP)}


def test_one_scan_serves_all_queries_until_a_package_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[str]
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    os.utime(tmp_path, (1, 1))
    assert "local" in names()
    (point,) = entry_points(group=GROUP, name="local")
    assert point.value == "speech_adapters.backends.local:create"
    assert not entry_points(group=GROUP, name="later")
    assert scans == [GROUP]
    install(tmp_path, "later")
    assert "later" in names()
    assert len(scans) == 2
    assert len(entry_points(group=GROUP, name="later")) == 1
    assert len(scans) == 2


def test_another_path_is_scanned_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scans: list[str]
) -> None:
    install(tmp_path, "elsewhere")
    before = names()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path), str(tmp_path / "missing")])
    assert names() == before | {"elsewhere"}
