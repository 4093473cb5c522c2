"""Damaged programs and notebooks: they are examined or reported, and never end a scan."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from fuzz.cases import DEEP, ODD, damaged, fuzz
from speech_compat._migration.findings import scan_project
from speech_compat._migration.report import as_json, as_sarif, as_text
from speech_compat._migration.rewriting import rewrite
from speech_compat._migration.sources import read_source

PROGRAMS = Path(__file__).parents[1] / "programs"
TEXTS = [
    path.read_bytes().replace(b"speech_compat", b"azure.cognitiveservices.speech")
    for path in sorted(PROGRAMS.glob("*.py"))
]
CELL = "%pip install x\nimport azure.cognitiveservices.speech as sdk\nsdk.transcription.Meeting(c)"
NOTEBOOK = {
    "cells": [{"cell_type": "code", "source": CELL.splitlines(keepends=True), "outputs": []}],
    "metadata": {"language_info": {"name": "python"}},
    "nbformat": 4,
}


def _examine(data: bytes, name: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        reports = scan_project([path], [])
        for form in (as_text, as_json, as_sarif):
            form(reports)
        source = read_source(path)
        changed = rewrite(source, ())
        # What was changed can be read as before.
        if changed.text != source.text:
            path.write_bytes(changed.text.encode(source.encoding))
            assert not read_source(path).problem
            assert rewrite(read_source(path), ()).text == changed.text


@fuzz
@given(st.sampled_from(TEXTS).flatmap(damaged))
def test_damaged_programs(data: bytes) -> None:
    _examine(data, "x.py")


@fuzz
@given(damaged(json.dumps(NOTEBOOK, indent=1).encode()))
def test_damaged_notebooks(data: bytes) -> None:
    _examine(data, "x.ipynb")


@fuzz
@given(st.sampled_from(["cells", "metadata", "nbformat"]), ODD, ODD)
def test_notebooks_with_odd_values(key: str, value: object, source: object) -> None:
    cell = {"cell_type": "code", "source": [source, CELL], "note": "cognitiveservices"}
    _examine(json.dumps({**NOTEBOOK, "cells": [cell, value]}).encode(), "x.ipynb")
    _examine(json.dumps({**NOTEBOOK, key: value, "note": "cognitiveservices"}).encode(), "x.ipynb")


# In any order they are no program.
LINES = [
    "print 'x'",
    "except A, e:",
    "  if x",
    "'''",
    "(",
    "]",
    "\\",
    "\tx = 1",
    "lambda",
    "import azure.cognitiveservices.speech as sdk",
    "from azure.cognitiveservices.speech import *",
    "def f(sdk):",
    "sdk.Meeting(",
    "# coding: utf-16",
    "exec x in y",
    "\f",
]


@fuzz
@given(st.lists(st.sampled_from(LINES), max_size=30))
def test_lines_that_are_no_program(lines: list[str]) -> None:
    _examine("\n".join([*lines, "# cognitiveservices"]).encode(), "x.py")


def test_deep_nesting() -> None:
    mark = b"# cognitiveservices\n"
    for data in (DEEP, b"x = " + b"-" * 200_000 + b"1", b"x" + b".a" * 100_000, b"if x:\n" * 5_000):
        _examine(mark + data, "x.py")
    _examine(b'{"a": "cognitiveservices", "cells": ' + DEEP, "x.ipynb")
