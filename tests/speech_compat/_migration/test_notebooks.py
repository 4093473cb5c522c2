from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from speech_compat._migration.notebooks import python_of, raw_offsets, read_notebook

Write = Callable[..., Path]


def texts(document: Any) -> list[tuple[int, str]]:
    found = read_notebook(json.dumps(document))
    return [(number, "".join(piece.value for piece in pieces)) for number, pieces in found]


def cell(source: Any, kind: str = "code") -> dict[str, Any]:
    return {"source": source, "cell_type": kind, "outputs": [{"text": ["{[,"], "source": "x"}]}


def test_the_code_cells_are_numbered_with_the_others() -> None:
    cells = [cell("# T", "markdown"), cell(["a\n", "b"]), cell("c\nd"), cell([]), cell("")]
    assert texts({"cells": cells}) == [(2, "a\nb"), (3, "c\nd"), (4, ""), (5, "")]


def test_the_pieces_are_where_the_strings_are(notebook: Write) -> None:
    text = notebook('a = "é\\n"\n', "\N{EARTH GLOBE EUROPE-AFRICA} = 1").read_text("utf-8")
    for _, pieces in read_notebook(text):
        for piece in pieces:
            assert json.loads(text[piece.start : piece.end]) == piece.value


def test_each_character_of_a_string_has_its_place() -> None:
    raw = r'"a\"\\\/\u00e9\ud83c\udf0d\ud83cb"'
    text = f'{{"cells": [{{"cell_type": "code", "source": {raw}}}]}}'
    ((_, (piece,)),) = read_notebook(text)
    offsets = raw_offsets(text, piece)
    assert len(offsets) == len(piece.value) + 1
    parts = [text[a:b] for a, b in pairwise(offsets)]
    assert [json.loads(f'"{part}"') for part in parts] == list(piece.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "wrong in line 1"),
        ('{\n"cells": [}', "wrong in line 2"),
        ("[]", "no cells"),
        ('{"cells": 1}', "no cells"),
        ('{"worksheets": []}', "before version 4"),
        ('{"cells": [], "metadata": {"language_info": {"name": "R"}}}', "language is r"),
        ('{"cells": [], "metadata": {"kernelspec": {"language": "julia"}}}', "language is julia"),
        ('{"cells": [{"cell_type": "code", "source": "a", "source": "b"}]}', "ambiguous"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_notebook_of_python_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_notebook(text)


@pytest.mark.parametrize("document", [{"cells": [1, None, {}]}, {"cells": [], "metadata": 1}])
def test_odd_notebooks_have_no_code(document: Any) -> None:
    assert texts(document) == []


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("%pip install x\na = 1", "0             \na = 1"),
        ("!ls\r\nb", "0  \r\nb"),
        ("files = !ls -l\n", "files = 0     \n"),
        ("if a:\n    !ls\n", "if a:\n    0  \n"),
        ("print?\n", "0     \n"),
        ("a.b??", "0    "),
        ("?print", "0     "),
        ("%%time\nimport x", "0     \nimport x"),
        ("%%writefile a.py\nimport x", "0               \nimport x"),
        ("a = b % c\nd = 'e!'", "a = b % c\nd = 'e!'"),
    ],
)
def test_magics_become_python_of_the_same_length(code: str, plain: str) -> None:
    assert python_of(code) == plain


@pytest.mark.parametrize("code", ["%%bash\nls", "%%html\n<a>", "%%writefile a.txt\nx"])
def test_cells_in_another_language_are_none(code: str) -> None:
    assert python_of(code) is None
