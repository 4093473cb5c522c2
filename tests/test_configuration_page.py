"""The tables of docs/configuration.md list the settings and options of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from speech_adapters.config import DaskOptions, Options, Service, Settings, StoreOptions
from speech_adapters.registry import backend_names, options_model
from speech_adapters.settings_sources import CONFIG, FILE

PAGE = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<names>`[^|]*) \| ?(?P<defaults>[^|]*)\|", re.MULTILINE)
QUOTED = re.compile(r"`([^`]*)`")


def section(heading: str) -> str:
    """Return the text between a heading and the next one of its level."""
    _, found, rest = PAGE.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def rows(text: str) -> dict[str, str]:
    """Return the default of each name in the tables of a text; a row may have several names."""
    found: dict[str, str] = {}
    for row in ROW.finditer(text):
        names, defaults = QUOTED.findall(row["names"]), QUOTED.findall(row["defaults"])
        if len(defaults) != len(names):
            defaults = [row["defaults"].strip()] * len(names)
        found.update(zip(names, defaults, strict=True))
    return found


def shown(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def check_defaults(
    listed: dict[str, str], model: type[Options | Settings | StoreOptions | DaskOptions]
) -> None:
    for name, field in model.model_fields.items():
        # No default is shown for an empty text, nor for what is described in words.
        if isinstance(field.default, bool | int | float) or (
            isinstance(field.default, str) and field.default
        ):
            assert listed[name].lower() == shown(field.default).lower(), name


@pytest.mark.parametrize("backend", backend_names())
def test_the_page_lists_all_options_of_a_backend_with_their_defaults(backend: str) -> None:
    model = options_model(backend)
    assert model is not None
    _, found, table = section(f"The backend `{backend}`").partition("| option | default |")
    assert found
    listed = rows(table.partition("\n\n")[0])
    assert set(listed) == set(model.model_fields)
    check_defaults(listed, model)


def test_the_page_lists_all_settings_with_their_defaults() -> None:
    listed = rows(section("Settings"))
    tables = {"service", "store", "dask", "backends", "gateway"}
    general = {name for name in listed if "." not in name}
    assert general == set(Settings.model_fields) - tables
    check_defaults(listed, Settings)
    store = {name.removeprefix("store."): d for name, d in listed.items() if "store." in name}
    assert set(store) == set(StoreOptions.model_fields)
    check_defaults(store, StoreOptions)
    dask = {name.removeprefix("dask."): d for name, d in listed.items() if "dask." in name}
    assert set(dask) == set(DaskOptions.model_fields)
    check_defaults(dask, DaskOptions)
    service = {name.removeprefix("service.") for name in listed if name.startswith("service.")}
    assert service == set(Service.model_fields) - {"credential", "token"}


def test_the_page_names_the_file_and_its_variable() -> None:
    assert FILE in section("Where settings come from")
    assert CONFIG in section("Where settings come from")
