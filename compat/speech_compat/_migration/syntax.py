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

    Code of Python 2, and files that are being edited, have errors in single lines.  Such a line is
    replaced by the beginning of a block, by ``pass`` or by nothing, until the rest can be parsed.

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
    # The substitutes of each wrong line that were not tried yet.
    substitutes = dict[int, list[str]]()
    for _ in range(min(_MOST_REPAIRS, _BUDGET // (len(text) + 1)) + 1):
        tree, line = _parse("\n".join(lines))
        if tree is not None:
            return tree, sorted(substitutes)
        if not line:
            break
        line = min(line, len(lines))
        # No substitute helped: what is wrong is open since a line above.
        while line > 1 and not substitutes.get(line, [""]):
            line -= 1
        left = substitutes.setdefault(line, _substitutes(lines, line - 1))
        lines[line - 1] = left.pop(0) if left else ""
    return ast.Module([], []), sorted(substitutes)[:1] or [1]


def _substitutes(lines: list[str], index: int) -> list[str]:
    """Return what may stand for a wrong line, the best first."""
    code = lines[index].lstrip()
    indent = lines[index][: len(lines[index]) - len(code)]
    block = []
    if code.startswith(("except ", "except:")):  # ``except Error, name:`` of Python 2
        block = [f"{indent}except Exception:"]
    elif _indent(lines, index + 1) > len(indent):
        # The beginning of a block, whose lines can still be parsed.
        block = [f"{indent}if True:"]
    return [*block, f"{indent}pass", ""]


def _indent(lines: list[str], index: int) -> int:
    """Return the indentation of the next line that is not empty."""
    code = next((line for line in lines[index:] if line.strip()), "")
    return len(code) - len(code.lstrip())


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
