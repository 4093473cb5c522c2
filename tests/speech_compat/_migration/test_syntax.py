from __future__ import annotations

import ast

import pytest

from speech_compat._migration import syntax
from speech_compat._migration.sources import Cell
from speech_compat._migration.syntax import parse_cell


def parsed(text: str, number: int = 0) -> tuple[str, list[int]]:
    tree, wrong = parse_cell(Cell(text, number))
    return ast.unparse(tree), wrong


def test_valid_code_is_parsed_as_it_is() -> None:
    assert parsed("import a\nb = 1\n") == ("import a\nb = 1", [])


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('import a\nprint "x"\nb = 1\n', "import a\npass\nb = 1"),
        ("class A:\n    def f(self)\n        return 1\n    def g(self):\n        h()\n", "h()"),
        ("import a\nexec 'x' in y\nb()\n", "b()"),
        ("import a\nx = 0777\nb()\n", "b()"),
        ("import a\n  b = 1\nc()\n", "c()"),
        ("import a\nraise A, 'b'\nc()\n", "c()"),
        ("class A:\n    def f(self)\n        return g()\n", "g()"),
        ("try:\n    a()\nexcept A, e:\n    b()\nc()\n", "except Exception:\n    b()\nc()"),
        ("try:\n    print 'x'\n    a(1)\nexcept A, e:\n    b(2)\n", "pass\n    a(1)\nexcept"),
        ("def f()\n\n    a()\ndef g()\n    b()\n", "if True:\n    a()\nif True:\n    b()"),
        ("x = '\na()\n", "a()"),
    ],
)
def test_wrong_lines_are_left_out_and_the_rest_is_parsed(text: str, rest: str) -> None:
    found, wrong = parsed(text)
    assert rest in found
    assert wrong


def test_code_with_too_many_errors_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "_MOST_REPAIRS", 3)
    assert parsed('print "x"\n' * 9) == ("", [1])


def test_large_code_is_repaired_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "_BUDGET", 20)
    assert parsed('print "x"\n' * 2) == ("", [1])


@pytest.mark.parametrize("text", ["\0", "(" * 1000, "x = " + "-" * 100_000 + "1", "'\\d'\n"])
def test_odd_code_raises_nothing(text: str) -> None:
    parsed(text)


def test_magics_of_a_notebook_are_no_errors() -> None:
    assert parsed("%pip install x\nimport a\n", 1) == ("0\nimport a", [])
    assert parsed("%%bash\nls\n", 1) == ("", [])
    # In a file they are.
    assert parsed("%pip install x\nimport a\n")[1] == [1]


def test_a_text_with_a_line_like_a_magic_is_no_magic() -> None:
    assert parsed('a = """\n!b"""\n', 1)[0] == "a = '\\n!b'"


def test_code_that_is_nested_too_deeply_is_empty() -> None:
    assert parsed(f"import a\nx = {'+'.join('1' * 20_000)}\n") == ("", [1])
