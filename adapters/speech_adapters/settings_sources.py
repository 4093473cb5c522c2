"""Where settings come from: the program, the environment and files, each as one layer.

The layers are read at every load, because the working directory, the environment and the files
may change.  A file that has not changed is not parsed again.  Nothing is validated here but the
syntax of the files.

Each layer keeps its origin, so that an error and ``speech-compat config show`` can name the file or
variable of a setting.  pydantic-settings merges its sources before validation without origins, and
guesses the type of texts in the environment, so it is not used.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from speech_adapters.errors import ConfigurationError
from speech_adapters.open_files import advice
from speech_adapters.setting_names import PREFIX, closest, environment_name

__all__ = ["CONFIG", "FILE", "Layer", "Layers", "find_files", "merge", "read_layers"]

FILE: Final = "speech-compat.toml"
_PROJECT: Final = "pyproject.toml"
CONFIG: Final = f"{PREFIX}CONFIG"
# Names with the prefix that are no settings: the file, what `speech-compat run` reads, and what the
# tests of this project read.
_OTHER_NAMES: Final = frozenset(
    {
        CONFIG,
        f"{PREFIX}THIRD_PARTY",
        f"{PREFIX}FUZZ_CASES",
        f"{PREFIX}PAYLOADS",
        f"{PREFIX}RECORDINGS",
    }
)
_ENVIRONMENT: Final = "environment"
_SETTLED_SECONDS: Final = 5.0


@attrs.frozen
class Layer:
    """The settings from one place.

    Attributes:
        origin: the place, for messages.
        values: the settings, nested by the parts of their names.
    """

    origin: str
    values: Mapping[str, Any] = attrs.field(repr=False)

    def origin_of(self, name: str) -> str:
        """Return where the setting with a dotted name comes from, for messages."""
        return environment_name(name) if self.origin == _ENVIRONMENT else self.origin


@attrs.frozen
class Layers:
    """The settings of all places.

    Attributes:
        used: the layers that count, the one of the highest precedence first.
        profiles: all profiles of the files by name, also those that are not selected; a name
            occurs twice if both files have it.
    """

    used: tuple[Layer, ...]
    profiles: tuple[tuple[str, Layer], ...]


def read_layers(properties: Mapping[str, Any]) -> Layers:
    """Read the settings of the program, the environment and the files.

    Args:
        properties: the settings of the program by dotted name.

    Raises:
        ConfigurationError: a file cannot be read, a name is both a value and a table, or the
            selected profile does not exist.
    """
    program = Layer("the program", _nested(properties))
    environment = Layer(_ENVIRONMENT, _read_environment())
    files = [Layer(str(path), _read_file(path)) for path in find_files()]
    profiles = tuple(profile for file in files for profile in _profiles(file))
    bases = [Layer(file.origin, _without(file.values, "profiles")) for file in files]
    # An empty name selects none, also where a file names one.
    named = (layer.values.get("profile") for layer in (program, environment, *bases))
    selected = next((name for name in named if name is not None), "")
    chosen = [layer for name, layer in profiles if name == selected]
    if selected and not chosen:
        raise _no_profile(str(selected), [name for name, _ in profiles])
    return Layers((program, environment, *chosen, *bases), profiles)


def merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the settings of all layers in one tree, and the origin of each by dotted name."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        _merge(layer, layer.values, values, origins, "")
    return values, origins


def _merge(
    layer: Layer,
    source: Mapping[str, Any],
    target: dict[str, Any],
    origins: dict[str, str],
    path: str,
) -> None:
    for name, value in source.items():
        here = f"{path}{name}"
        if isinstance(value, Mapping):
            table = target.setdefault(name, {})
            # A value of a higher layer hides the whole table.
            if isinstance(table, dict):
                _merge(layer, value, table, origins, f"{here}.")
        elif name not in target:
            target[name] = value
            origins[here] = layer.origin_of(here)


def _nested(properties: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in properties.items():
        *parents, leaf = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                break
        if not isinstance(node, dict) or isinstance(node.get(leaf), dict):
            raise ConfigurationError(
                f"The settings cannot be read: {name!r} is set both as a value and as a table."
            )
        node[leaf] = value
    return tree


def _read_environment() -> dict[str, Any]:
    found = {
        name.upper().removeprefix(PREFIX).lower().replace("__", "."): _decoded(text)
        for name, text in os.environ.items()
        if name.upper().startswith(PREFIX) and name.upper() not in _OTHER_NAMES
    }
    return _nested(found)


def _decoded(text: str) -> Any:
    """Return a list or table that is written as JSON; any other text as it is."""
    if not text.startswith(("[", "{")):
        return text  # a number among them: a key may have digits only
    try:
        return json.loads(text)
    except ValueError:
        return text


def find_files() -> list[Path]:
    """Return the files that are read, that of the highest precedence first.

    Raises:
        ConfigurationError: the variable names a file that does not exist.
    """
    named = os.environ.get(CONFIG)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigurationError(
                f"There is no settings file {path}, which {CONFIG} names: correct the variable,"
                " or remove it to search for the file."
            )
        return [path]
    found = (_find_upward(FILE), _find_upward(_PROJECT))
    return [path for path in found if path is not None]


def _find_upward(name: str) -> Path | None:
    here = Path.cwd()
    return next((f / name for f in (here, *here.parents) if (f / name).is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        table = _parse(path)
    except OSError as error:
        raise ConfigurationError(
            f"The settings cannot be read: {path}: {error.strerror}. "
            + advice(error, "Check its permissions.")
        ) from error
    except ValueError as error:
        # The message of the parser ends with line and column.
        raise ConfigurationError(
            f"The settings cannot be read: {path}: {error}. Correct the file."
        ) from error
    if path.name == _PROJECT:
        table = table.get("tool", {}).get("speech-compat", {})
    return table


# The tables of files by path, each with what changes when the file does.
_parsed: dict[Path, tuple[tuple[int, int, int], dict[str, Any]]] = {}


def _parse(path: Path) -> dict[str, Any]:
    # Before the file is read: a change that comes between is found by the next call.
    status = path.stat()
    state = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _parsed.get(path)
    if known is not None and known[0] == state:
        return known[1]
    import tomllib  # not needed without a file

    table = tomllib.loads(path.read_text(encoding="utf-8"))
    # One that has just been written may change once more within the resolution of its time.
    if time.time() - status.st_mtime > _SETTLED_SECONDS:
        _parsed[path] = state, table
    return table


def _profiles(file: Layer) -> list[tuple[str, Layer]]:
    tables = file.values.get("profiles", {})
    if not isinstance(tables, Mapping):
        raise ConfigurationError(f'"profiles" in {file.origin} must be tables: [profiles.NAME].')
    for name, table in tables.items():
        if not isinstance(table, Mapping) or "profile" in table:
            raise ConfigurationError(
                f"The profile {name!r} in {file.origin} must be a table of settings without"
                ' "profile".'
            )
    return [
        (name, Layer(f"{file.origin}, profile {name!r}", table)) for name, table in tables.items()
    ]


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _no_profile(selected: str, known: Sequence[str]) -> ConfigurationError:
    hint = closest(selected, known) or f"; the files have {', '.join(map(repr, known)) or 'none'}"
    return ConfigurationError(
        f'There is no profile {selected!r}, which the setting "profile" selects{hint}. Write its'
        f" settings below [profiles.{selected}] in {FILE}."
    )
