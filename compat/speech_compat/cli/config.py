"""The command ``config``: the settings in effect, with their origins, and their JSON Schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from speech_adapters.config import (
    Options,
    Settings,
    load_settings_with_origins,
    parse_options,
)
from speech_adapters.errors import SpeechError
from speech_adapters.masking import mask
from speech_adapters.registry import options_model
from speech_compat.cli.output import report

__all__ = ["print_schema", "show_config"]

_DEFAULT: Final = "default"
# A backend that publishes no class of options does not state which of them are secret.
_HIDDEN: Final = "***"
# The credentials of a program are objects, which no file can name.
_OF_PROGRAMS: Final = ("credential", "token")


@dataclass(frozen=True)
class _Row:
    """One setting: its dotted name, its value without secrets, and where it is set."""

    name: str
    value: Any
    source: str


def show_config(*, as_json: bool) -> int:
    """Write the settings in effect to standard output.

    These are all general settings, the options of the backends that are selected or configured,
    and those of the gateway if any is set.

    Returns:
        The exit code: 0, or 1 if a table of options is wrong, which is reported.

    Raises:
        ConfigurationError: the settings cannot be read.
    """
    settings, origins = load_settings_with_origins()
    rows, errors = _rows(settings, origins)
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    else:
        _write_table(rows)
    for error in errors:
        report(str(error))
    return 1 if errors else 0


def print_schema() -> int:
    """Write the JSON Schema of the settings file to standard output."""
    from speech_compat.cli.config_schema import settings_schema

    sys.stdout.write(json.dumps(settings_schema(), indent=2) + "\n")
    return 0


def _rows(settings: Settings, origins: Mapping[str, str]) -> tuple[list[_Row], list[SpeechError]]:
    tables = settings.model_dump(
        mode="json", exclude={"service", "store", "dask", "backends", "gateway"}
    )
    service = settings.service.model_dump(mode="json", exclude=set(_OF_PROGRAMS))
    store = settings.store.model_dump(mode="json")
    rows = [
        *_table("", tables, origins),
        *_table("store.", store, origins),
        *_table("dask.", settings.dask.model_dump(mode="json"), origins),
        *_table("service.", service, origins),
    ]
    errors: list[SpeechError] = []
    for name in sorted({settings.backend, *settings.backends}):
        try:
            values = _backend_values(settings, name)
        except SpeechError as error:
            errors.append(error)
        else:
            rows += _table(f"backends.{name}.", values, origins)
    if settings.gateway:
        from speech_compat.gateway.options import gateway_options

        try:
            values = gateway_options(settings).model_dump(mode="json")
        except SpeechError as error:
            errors.append(error)
        else:
            rows += _table("gateway.", values, origins)
    return rows, errors


def _backend_values(settings: Settings, name: str) -> dict[str, Any]:
    model: type[Options] | None = options_model(name)
    given = settings.backends.get(name, {})
    if model is None:
        return dict.fromkeys(given, _HIDDEN)
    return parse_options(model, name, given).model_dump(mode="json")


def _table(prefix: str, values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[_Row]:
    for name, value in values.items():
        full = f"{prefix}{name}"
        # A table as an option may have parts from several places.
        found = [o for key, o in origins.items() if key == full or key.startswith(f"{full}.")]
        source = ", ".join(dict.fromkeys(found)) or _DEFAULT
        yield _Row(full, mask(value) if isinstance(value, str) else value, source)


def _write_table(rows: list[_Row]) -> None:
    shown = [(row.name, json.dumps(row.value), row.source) for row in rows]
    width = max(len(name) for name, _, _ in shown)
    # A long value moves only its own origin to the right.
    for name, value, source in shown:
        sys.stdout.write(f"{name:<{width}}  {value:<24}  {source}\n")
