"""The code cells of Jupyter notebooks, with the places of their strings in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Piece", "python_of", "raw_offsets", "read_notebook"]

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
# One character of a JSON string: an escaped one beyond the first 65,536 has two escapes.
_CHARACTER: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
# Cell magics whose cells are Python all the same.
_PYTHON_MAGICS: Final = {"capture", "prun", "python", "python3", "time", "timeit"}
_MAGIC_LINE: Final = re.compile(
    r"""^(?P<before>[ \t]*(?:[\w, \t.]+=[ \t]*)?)   # also:  files = !ls
        (?P<magic>[%!?][^\r\n]*|[\w.*]+\?{1,2}[ \t]*(?=[\r\n]|$))""",
    re.MULTILINE | re.VERBOSE,
)
_CELL_MAGIC: Final = re.compile(r"^\s*%%(\w+)([^\r\n]*)")


@dataclass(frozen=True)
class Piece:
    """One string of a cell's source.

    Attributes:
        start: where the string begins in the notebook's text, at its quote.
        end: where it ends, after its quote.
        value: its content.
    """

    start: int
    end: int
    value: str


def read_notebook(text: str) -> list[tuple[int, tuple[Piece, ...]]]:
    """Return the code cells of a notebook: the number of each, from 1, and its strings.

    Raises:
        ValueError: the text is no notebook of version 4, or none of Python.
    """
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"its JSON is wrong in line {error.lineno}") from None
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError("it has no cells; notebooks before version 4 must be converted")
    if (language := _language(document)) != "python":
        raise ValueError(f"its language is {language}")
    places = _source_strings(text)
    found = []
    for number, cell in enumerate(document["cells"], 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            pieces = tuple(places.get(number, ()))
            # Keys that occur twice are legal JSON; the strings found must be those that count.
            if "".join(piece.value for piece in pieces) != _joined(cell.get("source")):
                raise ValueError(f"the source of cell {number} is ambiguous")
            found.append((number, pieces))
    return found


def _joined(source: object) -> str:
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _language(document: dict[str, Any]) -> str:
    metadata = document.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        entry = metadata.get(key) if isinstance(metadata, dict) else None
        if isinstance(entry, dict) and isinstance(entry.get(name), str):
            return str(entry[name]).lower()
    return "python"


def _source_strings(text: str) -> dict[int, list[Piece]]:
    """Return the strings below ``cells[n].source``, by n from 1; the JSON must be valid."""
    found: dict[int, list[Piece]] = {}
    for path, match in _strings(text):
        if path[:1] == ("cells",) and path[2:3] == ("source",) and len(path) in {3, 4}:
            piece = Piece(match.start(), match.end(), json.loads(match.group()))
            found.setdefault(int(path[1]) + 1, []).append(piece)
    return found


def _strings(text: str) -> Iterator[tuple[tuple[Any, ...], re.Match[str]]]:
    """Yield each string value with its path of keys and indexes.

    A loop with a stack instead of recursion: the depth of a document is not limited.
    """
    path: list[Any] = []
    is_key = False
    for match in _TOKEN.finditer(text):
        part = match.group()
        if part in "{[":
            path.append("" if part == "{" else 0)
            is_key = part == "{"
        elif part in "}]":
            path.pop()
            is_key = False
        elif part == ",":
            is_key = isinstance(path[-1], str)
            if not is_key:
                path[-1] += 1
        elif part[0] == '"':
            if is_key:
                path[-1], is_key = json.loads(part), False
            else:
                yield tuple(path), match


def python_of(code: str) -> str | None:
    """Return a cell as plain Python of the same length: magics become ``0`` and spaces.

    Returns:
        ``None`` for a cell in another language, such as ``%%bash``.
    """
    if found := _CELL_MAGIC.match(code):
        writes_python = found[1] == "writefile" and found[2].strip().endswith(".py")
        if found[1] not in _PYTHON_MAGICS and not writes_python:
            return None
    # The shell continues a line that ends with a backslash, and so does Python.
    return _MAGIC_LINE.sub(lambda m: m["before"] + "0".ljust(len(m["magic"])), code)


def raw_offsets(text: str, piece: Piece) -> list[int]:
    """Return where each character of a string is in the notebook's text, and where it ends."""
    raw = _CHARACTER.finditer(text, piece.start + 1, piece.end - 1)
    return [*(match.start() for match in raw), piece.end - 1]
