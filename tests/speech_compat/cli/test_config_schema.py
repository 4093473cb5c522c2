from __future__ import annotations

import json
import tomllib
from typing import Any

import jsonschema
import pytest

from speech_adapters.registry import backend_names
from speech_compat.cli import main

_RIGHT = """
backend = "fast"
profile = "ci"
state_dir = "~/state"
service = {region = "westeurope"}
[backends.batch]
channels = "split"
[backends.local]
speakers = 2
[gateway]
port = 8080
proxies = "127.0.0.1"
[gateway.keys]
alice = ["one", "two"]
bob = "three"
[gateway.tokens]
audience = "api://x"
[profiles.ci]
strict = true
[profiles.ci.backends.fast]
region = "eastus"
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("sys.stdout.write", written.append)
        assert main(["config", "schema"]) == 0
    schema: dict[str, Any] = json.loads("".join(written))
    return schema


def errors(schema: dict[str, Any], text: str) -> list[str]:
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


def test_a_right_file_is_valid(schema: dict[str, Any]) -> None:
    assert errors(schema, _RIGHT) == []


@pytest.mark.parametrize(
    "text",
    [
        'bakend = "local"',
        "strict = 7",
        "[backends.lokal]",
        "[backends.local]\ndevise = 'cpu'",
        "[backends.batch]\nchannels = 'all'",
        "[gateway]\nprot = 1",
        "[gateway.tokens]\naudiense = 'x'",
        "[service]\ncredential = 'x'",
        "[profiles.ci]\nprofile = 'x'",
        "[profiles.ci.backends.fast]\nregoin = 'x'",
    ],
)
def test_a_mistake_is_invalid(schema: dict[str, Any], text: str) -> None:
    assert len(errors(schema, text)) == 1


def test_every_option_is_described(schema: dict[str, Any]) -> None:
    definitions = schema["$defs"]
    backends = definitions["Backends"]["properties"]
    assert set(backends) == set(backend_names())
    tables = [schema, *backends.values(), *(definitions[n] for n in ("Gateway", "TokenOptions"))]
    for table in tables:
        for name, field in table["properties"].items():
            described = "description" in field or "$ref" in field or name == "profiles"
            assert described, name
