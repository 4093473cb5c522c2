"""Parsing of code, also of code with errors."""

from __future__ import annotations

import ast
import warnings
from typing import Final

from speech_compat._migration.notebooks import python_of
from speech_compat._migration.sources import LINE_END, Cell

__all__ = ["parse_cell"]

# Text that is parsed at most for one file: each repair parses it all again.
_BUDGET: Final = 20_000_000
_MOST_REPAIRS: Final = 300


def parse_cell(cell: Cell) -> tuple[ast.Module, list[int]]:
    """Parse code, without the lines that are wrong.

    Code of Python 2, and files that are being edited, have errors in single lines.  Such a line
    becomes ``pass``, or empty if that is wrong too, until the rest can be parsed.

    Returns:
        The tree, and the lines that were left out.  The tree is empty if too many are wrong, or
        if the code is nested more deeply than Python itself allows.
    """
    text = cell.text
    if cell.number:
        plain = python_of(text)
        if plain is None:
            return ast.Module([], []), []
        # A line with the form of a magic may be part of a long text.
        if _parse(text)[0] is None:
            text = plain
    return _repaired(text)


def _repaired(text: str) -> tuple[ast.Module, list[int]]:
    lines = LINE_END.split(text)
    wrong = dict[int, int]()
    repairs = min(_MOST_REPAIRS, _BUDGET // (len(text) + 1)) + 1
    for _ in range(repairs):
        tree, line = _parse("\n".join(lines))
        if tree is not None:
            return tree, sorted(wrong)
        if not line:
            break
        # A line above, if its replacement did not help: it closes what is open there.
        line = min(line, len(lines))
        while line > 1 and wrong.get(line, 0) > 1:
            line -= 1
        indent = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
        lines[line - 1] = "" if line in wrong else f"{indent}pass"
        wrong[line] = wrong.get(line, 0) + 1
    return ast.Module([], []), sorted(wrong)[:1] or [1]


def _parse(text: str) -> tuple[ast.Module | None, int]:
    """Return the tree, or the line of the error; 0 if no line is to blame."""
    with warnings.catch_warnings():
        # Invalid escapes in the program's texts are its own matter.
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text), 0
        except SyntaxError as error:
            return None, error.lineno or 1
        except (ValueError, RecursionError, MemoryError):  # null characters, or nested too deeply
            return None, 0
