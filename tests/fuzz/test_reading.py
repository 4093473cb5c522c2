"""Transcripts from files: whatever they contain, only the project's errors are raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from double.web import minutes
from fuzz.cases import DEEP, ODD, damaged, fuzz
from speech_adapters.comparison import (
    compare,
    comparison_document,
    format_report,
    line_up,
    render_comparison,
)
from speech_adapters.errors import SpeechError
from speech_adapters.export import FORMATS as EXPORTS
from speech_adapters.export import render
from speech_adapters.reading import FORMATS
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import parse_document
from speech_adapters.transcript import Transcript
from speech_compat._session.mapping.results import remote_document

MINUTES = minutes("m")
STM = b"m 1 A 0.5 2 <o,f0> Good morning.\nm 1 B 2 3.5 Yes.\n"
EVENT = b'{"RecognitionStatus": "Success", "Offset": 1, "Duration": 2, "DisplayText": "Yes."}\n'
FILES = [
    *(render(MINUTES, name).encode() for name in EXPORTS if name != "html"),
    json.dumps(remote_document(MINUTES)).encode(),
    STM,
    EVENT * 2,
    b"[" + EVENT + b"]",
]
KEYS = ["format", "version", "utterances", "transcriptions", "phrases", "RecognitionStatus"]
KEYS += ["NBest", "Words", "words", "text", "speaker", "offset", "duration", "Offset", "Duration"]
KEYS += ["userId", "reason", "offsetInTicks", "durationInTicks", "SpeakerId", "DisplayText"]
VALUES = st.one_of(ODD, st.sampled_from(["speech-compat transcript", 1, "Success"]))
DOCUMENTS = st.recursive(
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), st.one_of(inner, VALUES), max_size=5),
    ),
    max_leaves=8,
)


def use_document(document: Document) -> None:
    """Do all that a transcript is read for."""
    transcript = document.transcript
    assert Transcript.from_dict(json.loads(json.dumps(transcript.to_dict()))) == transcript
    assert [u.offset for u in transcript.utterances] == sorted(
        u.offset for u in transcript.utterances
    )
    other = Document(MINUTES, "stored")
    for reference, candidate in ((document, other), (other, document), (document, document)):
        found = compare(reference, candidate)
        rows = line_up(reference, candidate, found)
        assert sum(len(row.reference) for row in rows) == len(reference.transcript.utterances)
        assert sum(len(row.candidate) for row in rows) == len(candidate.transcript.utterances)
        format_report(found, rows).encode()
        render_comparison(found, rows).encode()
        json.dumps(comparison_document(found)).encode()


def read(data: bytes, format_name: str = "") -> None:
    try:
        document = parse_document(data, "x.file", format_name)
    except SpeechError:
        return
    use_document(document)


@fuzz
@given(st.sampled_from(FILES).flatmap(damaged))
def test_a_damaged_file(data: bytes) -> None:
    read(data)


@fuzz
@given(DOCUMENTS.map(lambda document: json.dumps(document).encode()))
@example(b"[" + DEEP)
@example(b'{"transcriptions": ' + DEEP)
@example(b'[{"RecognitionStatus": ' + DEEP)
@example(b'{"transcriptions": [{"text": "\\ud800", "offsetInTicks": 1e308}]}')
@example(b'{"RecognitionStatus": "Success", "NBest": [], "DisplayText": "a", "Offset": -1}')
def test_json_of_any_shape(data: bytes) -> None:
    read(data)


@pytest.mark.parametrize("name", FORMATS)
@fuzz
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda x: x.encode())))
@example(b"")
@example(DEEP)
@example(b"WEBVTT\n\n00:00.000 --> 99999:59:59.999\n<v>a</v><v b><v c>d\n")
@example(b"SPEAKER m 1 1e7 1e7 <NA> <NA> <NA> <NA>")
@example(b"SPEAKER m 1 1e999 1 <NA> <NA> a <NA>")
@example("[99999:59:59] \N{ARABIC-INDIC DIGIT ONE}: \u202ea".encode())
def test_any_content_in_a_forced_format(name: str, data: bytes) -> None:
    read(data, name)


def test_every_file_is_read_undamaged() -> None:
    for data in FILES:
        found: Any = parse_document(data, "x.file")
        assert found.transcript.utterances
