"""Changing of imports in the text of a program; everything else stays as it is.

libcst finds the places, and only these are replaced in the text.  So nothing depends on how a tree
is written back, and the strings of a notebook can be changed within its JSON.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from speech_adapters.extras import need_packages
from speech_compat._migration.bindings import fallbacks
from speech_compat._migration.imports import import_change, import_from_change, is_package
from speech_compat._migration.names import FACADE
from speech_compat._migration.notebooks import raw_offsets
from speech_compat._migration.sources import LINE_END, Cell, Source
from speech_compat._migration.syntax import parse_cell

if TYPE_CHECKING:
    import libcst as cst

__all__ = ["Edit", "Rewritten", "need_libcst", "rewrite"]


@dataclass(frozen=True)
class Edit:
    """A part of a text that is replaced, between two offsets."""

    start: int
    end: int
    new: str


@dataclass(frozen=True)
class Rewritten:
    """A changed file.

    Attributes:
        text: its new text, which equals the old one if nothing was changed.
        problem: why an import was left that could be changed otherwise, as a sentence; else empty.
    """

    text: str
    problem: str = ""


class _UnsupportedError(Exception):
    """An import cannot be changed; the text states why."""


def need_libcst() -> None:
    """Check that libcst is installed.

    Raises:
        MissingExtraError: it is not; the message has the command.
    """
    need_packages("migrate", "libcst")


def rewrite(source: Source, used: Collection[str]) -> Rewritten:
    """Return a file with its imports changed.

    Args:
        source: the file.
        used: the names of the real package that the file uses, for star imports.
    """
    edits, problem = list[Edit](), ""
    for cell in source.cells:
        try:
            found = list(_edits(cell, used))
            edits.extend(_in_notebook(source.text, cell, found) if source.is_notebook else found)
        except _UnsupportedError as error:
            where = f"Cell {cell.number}: " if cell.number else ""
            problem = problem or f"{where}{error}."
    return Rewritten(_apply(source.text, edits), problem)


def _apply(text: str, edits: Sequence[Edit]) -> str:
    # From the end, so that the offsets of the others stay right.
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text


def _edits(cell: Cell, used: Collection[str]) -> Iterator[Edit]:
    """Yield the edits of code.

    Raises:
        _UnsupportedError: it cannot be parsed, or an import is written in an unusual way.
    """
    # Most cells of a notebook import nothing of it.
    if "cognitiveservices" not in cell.text:
        return
    tree, wrong = parse_cell(cell)
    if wrong:
        reason = f"there is a syntax error in line {wrong[0]}" if tree.body else "it is not parsed"
        raise _UnsupportedError(reason)
    lines = _Lines(cell.text)
    nodes = list(ast.walk(tree))
    kept = fallbacks(nodes)
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in kept:
            start = lines.offset(node.lineno, node.col_offset)
            end = lines.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
            for edit in _statement_edits(cell.text[start:end], used):
                yield Edit(edit.start + start, edit.end + start, edit.new)


class _Lines:
    """From the parser's places, whose columns are bytes of UTF-8, to offsets in a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(end.end() for end in LINE_END.finditer(text))]

    def offset(self, line: int, column: int) -> int:
        start = self._starts[line - 1]
        # A character has a byte at least, so these are enough.
        return start + len(self._text[start : start + column].encode()[:column].decode())


def _statement_edits(statement: str, used: Collection[str]) -> Iterator[Edit]:
    """Yield the edits of one import.

    Only imports are parsed with libcst, never a whole file: it ends the process if code is nested
    too deeply.
    """
    import libcst as cst
    from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

    wrapper = MetadataWrapper(cst.parse_module(statement), unsafe_skip_copy=True)
    spans = wrapper.resolve(ByteSpanPositionProvider)
    data = statement.encode()

    def edit(node: cst.CSTNode, new: str) -> Edit:
        span = spans[node]
        start = len(data[: span.start].decode())
        length = len(data[span.start : span.start + span.length].decode())
        return Edit(start, start + length, new)

    line = wrapper.module.body[0]
    assert isinstance(line, cst.SimpleStatementLine)
    node = line.body[0]
    if isinstance(node, cst.Import):
        for alias in node.names:
            change = import_change(alias.evaluated_name, alias.evaluated_alias)
            if change is not None and change[0]:
                yield edit(alias.name, change[0])
    elif isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
        yield from _from_edits(node, statement, used, edit)


def _from_edits(
    node: cst.ImportFrom,
    statement: str,
    used: Collection[str],
    edit: Callable[[cst.CSTNode, str], Edit],
) -> Iterator[Edit]:
    import libcst as cst
    from libcst.helpers import get_full_name_for_node_or_raise

    assert node.module is not None
    name = get_full_name_for_node_or_raise(node.module)
    aliases = [] if isinstance(node.names, cst.ImportStar) else list(node.names)
    names = [alias.evaluated_name for alias in aliases] or ["*"]
    change = import_from_change(name, names, used)
    if change is None or not change[0]:
        return
    if is_package(name):
        yield edit(node.module, change[0])
        return
    # ``from azure.cognitiveservices import speech`` is another statement afterwards.
    if LINE_END.search(statement):
        raise _UnsupportedError(
            f"'from {name} import {names[0]}' is longer than a line; write it in one"
        )
    yield edit(node, f"import {FACADE} as {aliases[0].evaluated_alias or names[0]}")


def _in_notebook(text: str, cell: Cell, edits: Sequence[Edit]) -> Iterator[Edit]:
    """Yield edits of a cell's code as edits of the notebook's text."""
    ends = list(accumulate(len(piece.value) for piece in cell.pieces))
    for edit in edits:
        index = next(i for i, end in enumerate(ends) if edit.start < end)
        piece, start = cell.pieces[index], ends[index] - len(cell.pieces[index].value)
        if edit.end > ends[index]:
            raise _UnsupportedError("an import is divided between two strings of the notebook")
        offsets = raw_offsets(text, piece)
        yield Edit(offsets[edit.start - start], offsets[edit.end - start], edit.new)
