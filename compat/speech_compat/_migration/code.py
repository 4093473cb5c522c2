"""The code of a file or notebook as one tree, and the places of its lines in the file."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from speech_compat._migration.sources import LINE_END, Cell, Source
from speech_compat._migration.syntax import parse_cell

__all__ = ["Code", "Place", "read_code"]


@dataclass(frozen=True, order=True)
class Place:
    """A place in a file.

    Attributes:
        line: the line of the file, from 1; of a notebook, that of its JSON.
        column: the column in that line, from 1; 1 for notebooks, whose lines are quoted.
        cell: the cell of a notebook, from 1, markdown cells included; 0 for a file.
        cell_line: the line in the cell, from 1; 0 for a file.
    """

    line: int
    column: int = 1
    cell: int = 0
    cell_line: int = 0

    def __str__(self) -> str:
        return f"cell {self.cell}, line {self.cell_line}" if self.cell else f"line {self.line}"


@dataclass(frozen=True)
class Code:
    """Parsed code.

    Attributes:
        tree: the code of all cells, one after another.
        wrong: lines that are no valid Python, numbered as in the tree.
        source: the file.
        starts: how many lines of the tree are before each cell.
    """

    tree: ast.Module
    wrong: tuple[int, ...]
    source: Source
    starts: tuple[int, ...]

    def place(self, line: int, column: int = 0) -> Place:
        """Return where a line of the tree is in the file, and a column in bytes from 0."""
        index = max(i for i, start in enumerate(self.starts) if start < line or i == 0)
        cell, own = self.source.cells[index], line - self.starts[index]
        if not cell.number:
            # The parser counts bytes of UTF-8.
            before = self._lines[own - 1].encode()[:column]
            return Place(own, len(before.decode(errors="ignore")) + 1)
        return Place(self._json_line(cell, own), 1, cell.number, own)

    @cached_property
    def _lines(self) -> list[str]:
        """The lines of a file that is no notebook."""
        return LINE_END.split(self.source.text)

    def _json_line(self, cell: Cell, line: int) -> int:
        """Return the line of the notebook's text that has a line of a cell."""
        ends = LINE_END.finditer(cell.text)
        offset = next((end.end() for n, end in enumerate(ends, 2) if n == line), 0)
        lengths = accumulate(len(piece.value) for piece in cell.pieces)
        pieces = (p for p, end in zip(cell.pieces, lengths, strict=True) if offset < end)
        piece = next(pieces, cell.pieces[-1] if cell.pieces else None)
        return 1 if piece is None else self.source.text.count("\n", 0, piece.start) + 1


def read_code(source: Source) -> Code:
    """Parse the code of a file."""
    tree, wrong, starts, count = ast.Module([], []), list[int](), list[int](), 0
    for cell in source.cells:
        parsed, lines = parse_cell(cell)
        ast.increment_lineno(parsed, count)
        tree.body.extend(parsed.body)
        wrong.extend(line + count for line in lines)
        starts.append(count)
        count += len(LINE_END.split(cell.text))
    return Code(tree, tuple(wrong), source, tuple(starts))
