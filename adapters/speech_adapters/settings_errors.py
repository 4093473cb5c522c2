"""What errors of the validation of settings state: the name, the problem and where it is set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from speech_adapters.errors import ConfigurationError
from speech_adapters.setting_names import closest, environment_name

__all__ = ["describe_problems", "origin_of", "set_in", "wrong_settings"]


def describe_problems(
    error: ValidationError, model: type[BaseModel], table: str, origins: Mapping[str, str]
) -> list[str]:
    """Return one text for each problem, without the values, among which are keys."""
    return [
        _describe(problem, model, table, origins)
        for problem in error.errors(include_input=False, include_url=False)
    ]


def _describe(problem: Any, model: type[BaseModel], table: str, origins: Mapping[str, str]) -> str:
    path = [str(part) for part in problem["loc"]]
    name = ".".join(path)
    place = set_in(origin_of(name, origins))
    if problem["type"] == "extra_forbidden":
        known = closest(path[-1], _fields(model, path[:-1]))
        return f"{name}: there is no such name{known}{place}"
    # pydantic's prefix of a message that one of our checks raised
    text: str = problem["msg"].removeprefix("Value error, ")
    # The check of a whole table names its options itself.
    if not path:
        return text
    # Without the positions in a list, which no variable has.
    variable = table + ".".join(part for part in problem["loc"] if isinstance(part, str))
    return f"{name}: {text}{place or f' (environment: {environment_name(variable)})'}"


def _fields(model: type[BaseModel], path: Sequence[str]) -> Collection[str]:
    """Return the names of the fields of a model, or of the one below it at a path."""
    for name in path:
        field = model.model_fields.get(name)
        annotation = field.annotation if field is not None else None
        # A table that may be left out has the type "X | None".
        models = [
            found
            for found in (annotation, *get_args(annotation))
            if isinstance(found, type) and issubclass(found, BaseModel)
        ]
        if not models:
            return ()
        model = models[0]
    return tuple(model.model_fields)


def origin_of(name: str, origins: Mapping[str, str]) -> str:
    """Return where a setting is set, or a part of it if it is a table; or nothing."""
    if name in origins:
        return origins[name]
    return next((origin for key, origin in origins.items() if key.startswith(f"{name}.")), "")


def set_in(origin: str) -> str:
    """Return the part of a sentence that names where a setting is set; or nothing."""
    return f" (set in {origin})" if origin else ""


def wrong_settings(what: str, problems: Sequence[str]) -> ConfigurationError:
    """Return the error that lists the problems of settings or of a table of options."""
    return ConfigurationError(
        f"Wrong {what}: {'; '.join(problems)}. See docs/configuration.md for the names."
    )
