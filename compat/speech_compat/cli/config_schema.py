"""The JSON Schema of ``speech-compat.toml``, for editors."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

from speech_adapters.config import DaskOptions, Options, Service, Settings, StoreOptions
from speech_adapters.registry import backend_names, options_model
from speech_compat.gateway.options import GatewayOptions, TokenOptions

__all__ = ["settings_schema"]

_REFERENCE: Final = "#/$defs/{model}"
# A field in the section "Attributes" of a docstring, with the lines that continue it.
_ATTRIBUTE: Final = re.compile(r"^ {4}(?P<name>\w+): (?P<text>.*(?:\n {8}.*)*)", re.MULTILINE)
# The credentials of a program are objects, which no file can name.
_OF_PROGRAMS: Final = ("credential", "token")

_Model = type[Settings | Service | StoreOptions | DaskOptions | Options]


def settings_schema() -> dict[str, Any]:
    """Return the schema, with the options of all installed backends and of the gateway.

    A value of the environment is a text, so the schema describes files only.
    """
    definitions: dict[str, Any] = {}
    properties = _schema(Settings, definitions)["properties"]
    service = _schema(Service, definitions)
    for name in _OF_PROGRAMS:
        del service["properties"][name]
    definitions["Service"] = service
    definitions["Store"] = _schema(StoreOptions, definitions)
    definitions["Dask"] = _schema(DaskOptions, definitions)
    definitions["Gateway"] = _schema(GatewayOptions, definitions)
    # Last: this one has descriptions.
    definitions["TokenOptions"] = _schema(TokenOptions, definitions)
    definitions["Backends"] = {
        "type": "object",
        "properties": {name: _backend(name, definitions) for name in backend_names()},
        "additionalProperties": False,
    }
    for table in ("service", "store", "dask", "backends", "gateway"):
        properties[table] = {"$ref": _REFERENCE.format(model=table.capitalize())}
    definitions["Profile"] = {
        "type": "object",
        "description": "Settings that replace the others when the profile is selected.",
        "properties": {name: value for name, value in properties.items() if name != "profile"},
        "additionalProperties": False,
    }
    profiles = {"additionalProperties": {"$ref": "#/$defs/Profile"}, "type": "object"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "speech-compat.toml",
        "type": "object",
        "properties": {**properties, "profiles": profiles},
        "additionalProperties": False,
        "$defs": definitions,
    }


def _backend(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    model = options_model(name)
    return {"type": "object"} if model is None else _schema(model, definitions)


def _schema(model: _Model, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model with descriptions; those that it refers to are added."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    definitions.update(schema.pop("$defs", {}))
    described = _descriptions(model)
    for name, field in schema["properties"].items():
        if name in described:
            field["description"] = described[name]
    return schema


def _descriptions(model: _Model) -> dict[str, str]:
    """Return the texts of the docstrings of a model and its bases by the names of its fields."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, section = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for match in _ATTRIBUTE.finditer(section):
            found[match["name"]] = " ".join(match["text"].replace("``", "`").split())
    return found
