from __future__ import annotations

import copy
import importlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest

from double.missing import block_imports
from ledger.__main__ import document, ledger, read_real, unexplained
from ledger.compare import Differences, Explanation, Row, compare
from oracle.test_oracle import why_not
from speech_compat._sdk.passthrough import MissingSdkError
from speech_compat._sdk.real import SDK

ROOT = Path(__file__).parents[2]
SURFACES = ROOT / "tests" / "ledger" / "surfaces"
NOTHING = Differences((), ())
REAL: dict[str, Any] = {
    "audio": {
        "Stream": {
            "kind": "class",
            "bases": ["Base"],
            "members": {
                "write": {"kind": "function", "parameters": [["data", "positional", None]]},
                "name": {"kind": "property", "settable": True},
                "PCM": {"kind": "value", "value": "1"},
            },
        },
        "Other": {"kind": "alias", "to": "speech.Other"},
    }
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return ledger()


def test_every_difference_is_explained(rows: dict[str, list[Row]]) -> None:
    assert unexplained(rows) == []


def test_every_era_is_in_the_ledger(rows: dict[str, list[Row]]) -> None:
    assert list(rows) == ["1.28.0", "1.43.0", "1.53.0"]
    for found in rows.values():
        same = [row for row in found if row.status == "same"]
        assert len(same) > 400


def test_the_document_is_up_to_date() -> None:
    written = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
    assert written == document(), "run make ledger"


def test_the_stored_surface_is_that_of_the_installed_package() -> None:
    try:
        installed = importlib.metadata.distribution("azure-cognitiveservices-speech")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("azure-cognitiveservices-speech has no wheel for this platform")
    stored = json.loads((SURFACES / f"{installed.version}.json").read_text(encoding="utf-8"))
    assert read_real(Path(str(installed.locate_file("")))) == stored


def test_names_that_are_passed_through_are_explained_without_the_real_package(
    rows: dict[str, list[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    block_imports(monkeypatch, SDK)
    names = {
        row.path
        for found in rows.values()
        for row in found
        if row.status == "passed through" and row.path.count(".") == 1
    }
    assert len(names) > 100
    for module, _, name in (path.partition(".") for path in sorted(names)):
        place = importlib.import_module(f"speech_compat.{module}".rstrip("."))
        # Submodules that another test has imported are attributes.
        monkeypatch.delitem(vars(place), name, raising=False)
        with pytest.raises(MissingSdkError, match="is that of azure-cognitiveservices-speech"):
            getattr(place, name)


def test_all_names_of_the_installed_package_are_there(rows: dict[str, list[Row]]) -> None:
    if why_not():
        pytest.skip(why_not())
    installed = importlib.metadata.version("azure-cognitiveservices-speech")
    names = {row.path for row in rows[installed] if row.path.count(".") == 1}
    assert len(names) > 150
    for module, _, name in (path.partition(".") for path in sorted(names)):
        assert hasattr(importlib.import_module(f"speech_compat.{module}".rstrip(".")), name)


def statuses(ours: dict[str, Any], differences: Differences = NOTHING) -> dict[str, str]:
    return {row.path: row.status for row in compare(REAL, ours, "1.0", differences)}


def test_a_surface_is_the_same_as_itself() -> None:
    assert set(statuses(REAL).values()) == {"same"}


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("audio.Stream", {"bases": []}),
        ("audio.Stream", {"kind": "function", "parameters": []}),
        ("audio.Stream.write", {"parameters": []}),
        ("audio.Stream.write", {"parameters": [["data", "positional", "None"]]}),
        ("audio.Stream.write", {"parameters": [["data", "keyword-only", None]]}),
        ("audio.Stream.write", {"kind": "property", "settable": False}),
        ("audio.Stream.name", {"settable": False}),
        ("audio.Stream.PCM", {"value": "2"}),
    ],
)
def test_every_kind_of_difference_is_found(path: str, change: dict[str, Any]) -> None:
    ours = copy.deepcopy(REAL)
    entry = ours["audio"]["Stream"]
    if path.count(".") == 2:
        entry = entry["members"][path.rsplit(".", 1)[1]]
    entry.update(change)
    assert statuses(ours)[path] == "unexplained"


def test_missing_names_are_found() -> None:
    ours = copy.deepcopy(REAL)
    del ours["audio"]["Other"], ours["audio"]["Stream"]["members"]["name"]
    found = statuses(ours)
    assert (found["audio.Other"], found["audio.Stream.name"]) == ("unexplained",) * 2


def test_an_explanation_is_for_its_path_and_version_only() -> None:
    ours = copy.deepcopy(REAL)
    ours["audio"]["Stream"]["members"]["PCM"]["value"] = "2"
    good = Explanation("audio.Stream.PCM", "why", ("1.0",))
    assert statuses(ours, Differences((good,), ()))["audio.Stream.PCM"] == "deliberate"
    for idle in (
        Explanation("audio.Stream.PCM", "why", ("2.0",)),
        Explanation("audio.Other", "why"),
    ):
        assert statuses(ours, Differences((idle,), ()))["audio.Stream.PCM"] == "unexplained"
