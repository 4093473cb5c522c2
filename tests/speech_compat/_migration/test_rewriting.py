from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from double.missing import hide_package
from fuzz.cases import fuzz
from speech_adapters.errors import MissingExtraError
from speech_compat._migration.rewriting import Rewritten, need_libcst, rewrite
from speech_compat._migration.sources import Cell, Source, read_source

SDK = "azure.cognitiveservices.speech"
Write = Callable[..., Path]


def of_text(text: str, *used: str) -> Rewritten:
    return rewrite(Source(Path("x.py"), (Cell(text),), text=text), used)


@pytest.mark.parametrize(
    "before",
    [
        f"import {SDK} as s",
        f"import os, {SDK}.audio as a  # b",
        f"import {SDK} as a, {SDK}.audio as b",
        f"from {SDK} import (\n    SpeechConfig,  # x\n)\n",
        f"from {SDK} import SpeechConfig, \\\n    audio",
        f"from {SDK}.transcription import Meeting as M",
        f"from  {SDK}  import  *",
        f"try: import {SDK} as s\nexcept ImportError: s = None",
        f"def f():\n\timport {SDK} as s; s.x()",
        f"é = '\N{EARTH GLOBE EUROPE-AFRICA}'; import {SDK} as é",
        f"if TYPE_CHECKING:\n    from {SDK} import SpeechConfig",
    ],
)
def test_only_the_name_of_the_module_changes(before: str) -> None:
    assert of_text(before) == Rewritten(before.replace(SDK, "speech_compat"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from azure.cognitiveservices import speech", "import speech_compat as speech"),
        ("from azure.cognitiveservices import (speech as s)", "import speech_compat as s"),
        ("from azure . cognitiveservices . speech import audio", "from speech_compat import audio"),
        (f"import {SDK} as s, {SDK}", f"import speech_compat as s, {SDK}"),
    ],
)
def test_imports_that_change_more(before: str, after: str) -> None:
    assert of_text(f"x; {before} # y") == Rewritten(f"x; {after} # y")


@pytest.mark.parametrize(
    "text",
    [
        f"import {SDK}",
        f"from {SDK} import NoSuchName",
        "from azure.cognitiveservices import speech, vision",
        "from .azure.cognitiveservices import speech",
        f"x = 'import {SDK} as s'",
        f"# import {SDK} as s\n",
        "import speech_compat as s",
        f"try:\n    import {SDK} as s\nexcept ImportError:\n    import speech_compat as s",
    ],
)
def test_everything_else_is_left(text: str) -> None:
    assert of_text(text) == Rewritten(text)


def test_a_star_import_is_left_if_it_would_lose_a_name() -> None:
    text = f"from {SDK} import *\n"
    assert of_text(text, "SpeechConfig").text == "from speech_compat import *\n"
    assert of_text(text, "SpeechConfig", "SpeechRecognizer").text == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\x0c\n", "\\\n"])
def test_ends_of_lines_and_odd_characters_stay(end: str) -> None:
    text = f"# é\u2028\N{EARTH GLOBE EUROPE-AFRICA}\nx = 'é'{end}import {SDK} as s{end}y = 1"
    if end == "\\\n":
        text = f"import \\\n  {SDK} as s"
    found = of_text(text)
    assert found == Rewritten(text.replace(SDK, "speech_compat"))
    assert found.text != text


def test_code_that_cannot_be_parsed_is_left_with_the_reason() -> None:
    text = f"import {SDK} as s\nprint 'x'\n"
    found = of_text(text)
    assert found.text == text
    assert "syntax error in line 2" in found.problem


def test_an_import_over_several_lines_that_becomes_another_one_is_left() -> None:
    text = "from azure.cognitiveservices import (\n    speech,\n)\n"
    found = of_text(text)
    assert found.text == text
    assert "write it in one" in found.problem


@pytest.mark.parametrize("deep", ["+".join("1" * 800), f"x{'.a' * 800}", "[" * 90 + "]" * 90])
def test_code_that_is_nested_deeply_is_no_obstacle(deep: str) -> None:
    assert of_text(f"x = {deep}\nimport {SDK} as s").text.endswith("import speech_compat as s")


def test_code_that_is_nested_too_deeply_for_python_is_left() -> None:
    text = f"x = {'+'.join('1' * 20_000)}\nimport {SDK} as s"
    assert of_text(text) == Rewritten(text, "it is not parsed.")


NOTEBOOK = r"""{
  "nbformat": 4, "nbformat_minor": 2,
     "metadata": {"z": 1, "a": 2},
  "cells": [
    {"source": ["%pip install x\n", "import azure.cognitiveservices.speech as s  # \u00e9 é\/\n",
                "x = 'a\tb'"], "cell_type": "code", "outputs": [{"text": "azure."}]},
    {"cell_type": "code",
     "source": "a = 1\nfrom azure.cognitiveservices.speech import SpeechConfig"},
    {"cell_type": "code", "source": "%%bash\nimport azure.cognitiveservices.speech as s"},
    {"cell_type": "markdown", "source": "import azure.cognitiveservices.speech as s"}
  ]}"""


def test_of_a_notebook_only_the_imports_in_code_change(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(NOTEBOOK, "utf-8")
    found = rewrite(read_source(path), ())
    assert found.problem == ""
    expected = NOTEBOOK.replace(f"{SDK} as s  #", "speech_compat as s  #").replace(
        f"from {SDK} import", "from speech_compat import"
    )
    assert found.text == expected


def test_an_import_that_two_strings_share_is_left(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    source = ["import azure.cogni", "tiveservices.speech as s", "# cognitiveservices"]
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": source}]}))
    found = rewrite(read_source(path), ())
    assert found.text == path.read_text()
    assert found.problem == "Cell 1: an import is divided between two strings of the notebook."


def test_a_cell_with_an_error_leaves_the_others(notebook: Write) -> None:
    path = notebook(f"import {SDK} as s\nprint 'x'\n", f"import {SDK} as s\n")
    found = rewrite(read_source(path), ())
    assert "Cell 2: there is a syntax error" in found.problem
    assert found.text.count("speech_compat") == 1


def test_without_libcst_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    need_libcst()
    hide_package(monkeypatch, "libcst")
    with pytest.raises(MissingExtraError, match=r"speech-compat\[migrate\]"):
        need_libcst()


# Lines of programs, in any order and mixed with imports in all forms.
_IMPORTS = st.sampled_from(
    [
        f"import {SDK} as sdk",
        f"import os, {SDK}.audio as a, sys",
        f"from {SDK} import SpeechConfig as C, audio",
        f"from {SDK}.transcription import (  # x\n  Meeting,\n  Participant)",
        "from azure.cognitiveservices import speech",
        f"import {SDK}",
        f"from {SDK} import *",
        f"from {SDK} import NoSuchName",
        "from azure.cognitiveservices import speech, vision",
    ]
)
_OTHERS = st.sampled_from(
    [
        'x = sdk.SpeechConfig(\'é\\n\', """a\nimport azure.cognitiveservices.speech as b\n""")',
        "# import azure.cognitiveservices.speech as sdk",
        "",
        "if x:  # é\n\ty = '\N{EARTH GLOBE EUROPE-AFRICA}'",
        "@d\nasync def f(a, *, b=1): return await a  ;  b",
        "x = f'{a!r:>{b}}' ; y = 1",
        "z = (1,\n\n   2)",
    ]
)


@fuzz
@given(
    lines=st.lists(st.one_of(_IMPORTS, _OTHERS), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_any_program_changes_in_imports_only_and_once(
    lines: list[str], end: str, last: bool
) -> None:
    text = "\n".join(lines).replace("\n", end) + (end if last else "")
    found = of_text(text)
    assert found.problem == ""
    again = of_text(found.text)
    assert again == Rewritten(found.text)
    # The same code but for the names of modules in imports.
    assert _without_imports(found.text) == _without_imports(text)
    before, after = text.split(end), found.text.split(end)
    assert len(before) == len(after)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert all("import" in a and "speech_compat" in b for a, b in changed)


def _without_imports(text: str) -> list[str]:
    body = ast.parse(text).body
    return [ast.dump(node) for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]


@fuzz
@given(
    lines=st.lists(st.one_of(_IMPORTS, _OTHERS), min_size=1, max_size=6),
    indent=st.sampled_from([None, 1, 4]),
    ascii_only=st.booleans(),
    whole=st.booleans(),
)
def test_any_notebook_changes_in_imports_only_and_once(
    lines: list[str], indent: int | None, ascii_only: bool, whole: bool
) -> None:
    code = "\n".join(lines)
    source = code if whole else code.splitlines(keepends=True)
    document = {"cells": [{"cell_type": "code", "source": source, "metadata": {"b": 1, "a": 2}}]}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only) + "\n"
    found = _of_notebook(text)
    assert found.problem == ""
    assert _of_notebook(found.text) == found
    # Nothing else of the JSON changes, not even its layout.
    changed = json.loads(found.text)
    after = changed["cells"][0]["source"]
    assert "".join(after) == of_text(code).text
    expected = {"cells": [{**document["cells"][0], "source": after}]}
    assert found.text == json.dumps(expected, indent=indent, ensure_ascii=ascii_only) + "\n"


def _of_notebook(text: str) -> Rewritten:
    from speech_compat._migration.notebooks import read_notebook

    found = read_notebook(text)
    cells = tuple(Cell("".join(p.value for p in pieces), n, pieces) for n, pieces in found)
    return rewrite(Source(Path("x.ipynb"), cells, text=text), ())
