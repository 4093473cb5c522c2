"""Changing of imports in the text of a program; everything else stays as it is.

libcst finds the places, and only these are replaced in the text.  So nothing depends on how a tree
is written back, and the strings of a notebook can be changed within its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from speech_adapters.extras import missing_extra
from speech_compat._migration.imports import import_change, import_from_change, is_package
from speech_compat._migration.names import FACADE
from speech_compat._migration.notebooks import python_of, raw_offsets
from speech_compat._migration.sources import Cell, Source

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
    try:
        import libcst  # noqa: F401
    except ImportError:
        raise missing_extra("migrate", "libcst") from None


def rewrite(source: Source, used: Collection[str]) -> Rewritten:
    """Return a file with its imports changed.

    Args:
        source: the file.
        used: the names of the real package that the file uses, for star imports.
    """
    edits, problem = list[Edit](), ""
    for cell in source.cells:
        try:
            found = _edits(cell, used)
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


def _edits(cell: Cell, used: Collection[str]) -> list[Edit]:
    """Return the edits of code.

    Raises:
        _UnsupportedError: it cannot be parsed, or an import is written in an unusual way.
    """
    # Most cells of a notebook import nothing, and may be in any language.
    if "cognitiveservices" not in cell.text:
        return []
    try:
        module = _parse(cell)
        return [] if module is None else list(_import_edits(module, used))
    except RecursionError:
        raise _UnsupportedError("it is nested too deeply") from None


def _parse(cell: Cell) -> cst.Module | None:
    """Return the code; ``None`` for a cell in another language."""
    import libcst as cst

    try:
        return cst.parse_module(cell.text)
    except cst.ParserSyntaxError as error:
        line = error.raw_line
    plain = python_of(cell.text) if cell.number else cell.text
    if plain is None:
        return None
    try:
        # Magics are replaced by something of the same length, so that places stay the same.
        return cst.parse_module(plain)
    except cst.ParserSyntaxError:
        raise _UnsupportedError(f"there is a syntax error near line {line}") from None


def _import_edits(module: cst.Module, used: Collection[str]) -> Iterator[Edit]:
    import libcst as cst
    from libcst import matchers
    from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper

    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    spans = wrapper.resolve(ByteSpanPositionProvider)
    code = module.code.encode()

    def edit(node: cst.CSTNode, new: str) -> Edit:
        span = spans[node]
        start = len(code[: span.start].decode())
        length = len(code[span.start : span.start + span.length].decode())
        return Edit(start, start + length, new)

    for node in matchers.findall(module, matchers.Import() | matchers.ImportFrom()):
        if isinstance(node, cst.Import):
            for alias in node.names:
                change = import_change(alias.evaluated_name, alias.evaluated_alias)
                if change is not None and change[0]:
                    yield edit(alias.name, change[0])
        elif isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
            yield from _from_edits(node, used, edit, module)


def _from_edits(
    node: cst.ImportFrom,
    used: Collection[str],
    edit: Callable[[cst.CSTNode, str], Edit],
    module: cst.Module,
) -> Iterator[Edit]:
    import libcst as cst
    from libcst.helpers import get_full_name_for_node_or_raise

    assert node.module is not None
    name = get_full_name_for_node_or_raise(node.module)
    aliases = () if isinstance(node.names, cst.ImportStar) else node.names
    names = [alias.evaluated_name for alias in aliases] or ["*"]
    change = import_from_change(name, names, used)
    if change is None or not change[0]:
        return
    if is_package(name):
        yield edit(node.module, change[0])
        return
    # ``from azure.cognitiveservices import speech`` is another statement afterwards.
    if len(written := module.code_for_node(node).splitlines()) > 1:
        raise _UnsupportedError(f"'{written[0]}' is longer than a line; write it in one")
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
