from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from matrix.json_format import schema
from speech_adapters.export import JSON_VERSION, render
from speech_adapters.transcript import LabelStyle, Provenance, Transcript, Utterance, Word

ROOT: Final = Path(__file__).parents[3]
PUBLISHED: Final = json.loads((ROOT / "docs/schema/transcript.schema.json").read_text("utf-8"))
ORIGIN: Final = Provenance("local", "engine 1", ("estimated",), ("cut",))
WORDS: Final = (Word("Good", 3, 4, 0.5), Word("morning.", 8, 9))
TRANSCRIPTS: Final = (
    Transcript("empty", (), 0, ORIGIN),
    Transcript(
        "meeting\n1",
        (
            Utterance("a" * 32, "Good morning.", 3, 14, 0, None, "en-US", WORDS, "katie"),
            Utterance("b" * 32, "\ud83d", 36, 5_000, 1, 1, None),
            Utterance("c" * 32, "Hm.", 36_620_000_000, 10),
        ),
        36_640_000_000,
        ORIGIN,
    ),
)


@pytest.mark.parametrize("style", LabelStyle)
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda t: t.meeting_id)
def test_exports_fit_the_published_schema(transcript: Transcript, style: LabelStyle) -> None:
    jsonschema.validate(json.loads(render(transcript, "json", style)), PUBLISHED)


def test_the_schema_describes_every_field_that_is_written() -> None:
    document = json.loads(render(TRANSCRIPTS[1], "json"))
    described = schema()["$defs"]
    written = {
        "TranscriptDocument": document,
        "UtteranceDocument": document["utterances"][0],
        "WordDocument": document["utterances"][0]["words"][0],
        "ProvenanceDocument": document["provenance"],
    }
    assert {name: list(part["properties"]) for name, part in described.items()} == {
        name: list(value) for name, value in written.items()
    }
    fields = [field for part in described.values() for field in part["properties"].values()]
    assert [field for field in fields if not field.get("description")] == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": JSON_VERSION + 1},
        {"utterances": [{"text": "without the rest"}]},
        {"duration": "long"},
        {"speakers": None},
    ],
)
def test_other_documents_do_not_fit(change: dict[str, Any]) -> None:
    document = json.loads(render(TRANSCRIPTS[0], "json")) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, PUBLISHED)


def test_the_example_of_the_page_fits() -> None:
    page = (ROOT / "docs/json-format.md").read_text("utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    jsonschema.validate(json.loads(example), PUBLISHED)
