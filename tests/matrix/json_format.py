"""The JSON Schema of exported transcripts, and the tables of ``docs/json-format.md``."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from speech_adapters.export import document
from speech_adapters.export.document import TranscriptDocument

__all__ = ["schema", "schema_text", "tables"]

_ATTRIBUTE: Final = re.compile(r"^ {4}(?P<name>\w+): (?P<text>.+)$", re.MULTILINE)
_TITLES: Final = {
    "TranscriptDocument": "The document",
    "UtteranceDocument": "An utterance",
    "WordDocument": "A word",
    "ProvenanceDocument": "The provenance",
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the format ``json``."""
    made = msgspec.json.schema(TranscriptDocument)
    for name, part in made["$defs"].items():
        kind = getattr(document, name)
        # In the order of the class and of the documents; the generator sorts them by name.
        part["properties"] = {each: part["properties"][each] for each in kind.__annotations__}
        described = inspect.cleandoc(kind.__doc__)
        part["description"] = described.partition("\n")[0]
        for found in _ATTRIBUTE.finditer(described):
            part["properties"][found["name"]]["description"] = found["text"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A transcript of speech-compat",
        **made,
    }


def schema_text() -> str:
    """Return ``docs/schema/transcript.schema.json``."""
    return json.dumps(schema(), indent=2) + "\n"


def tables() -> str:
    """Return the tables of all objects."""
    return "\n".join(line for name in _TITLES for line in _table(name))


def _table(name: str) -> Iterator[str]:
    yield f"\n## {_TITLES[name]}\n"
    yield "| field | type | meaning |\n|---|---|---|"
    for field, value in schema()["$defs"][name]["properties"].items():
        yield f"| `{field}` | {_kind(value)} | {value['description']} |"


def _kind(value: dict[str, Any]) -> str:
    """Return the type of a value in words."""
    if "enum" in value:
        return " or ".join(f"`{json.dumps(each)}`" for each in value["enum"])
    if "$ref" in value:
        return _TITLES[value["$ref"].rpartition("/")[2]].lower()
    if "anyOf" in value:
        return " or ".join(_kind(each) for each in value["anyOf"])
    if value["type"] == "array":
        return f"list of {_kind(value['items']).removeprefix('an ').removeprefix('a ')}s"
    return str(value["type"])
