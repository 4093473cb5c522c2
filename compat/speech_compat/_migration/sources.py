"""The Python files and notebooks of a project."""

from __future__ import annotations

import codecs
import os
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Final

from speech_compat._migration.notebooks import Piece, read_notebook

__all__ = ["LINE_END", "Cell", "Source", "find_files", "project_files", "read_source"]

# Folders that hold no source of the project itself.
_IGNORED: Final = frozenset({
    ".bzr", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox",
    ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__", "__pypackages__",
    "build", "dist", "node_modules", "site-packages", "venv",
})  # fmt: skip
_SUFFIXES: Final = {".py", ".pyi", ".pyw", ".ipynb"}
_NOTEBOOK: Final = ".ipynb"
# Every file that uses either package has one of these; the others are not parsed.
_MARKS: Final = (b"cognitiveservices", b"speech_compat")
# Larger ones are no programs, and parsing them needs a hundred times their size in memory.
_LARGEST_PROGRAM: Final = 5_000_000
_LARGEST_NOTEBOOK: Final = 200_000_000
_BLOCK: Final = 1 << 20
# The ends of lines that Python recognizes, and no others: str.splitlines has more.
LINE_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Cell:
    """A file of Python, or a code cell of a notebook.

    Attributes:
        text: the code.
        number: which cell of the notebook, from 1; 0 for a file.
        pieces: where the strings of the cell are in the notebook's text.
    """

    text: str
    number: int = 0
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class Source:
    """A file that may use the package.

    Attributes:
        path: the file.
        cells: its code; empty if it cannot be read, or uses neither package.
        problem: why it cannot be read, as a sentence; else empty.
        text: the whole text, which differs from the code for notebooks only.
        encoding: how the text is encoded.
    """

    path: Path
    cells: tuple[Cell, ...] = ()
    problem: str = ""
    text: str = ""
    encoding: str = "utf-8"

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook."""
        return self.path.suffix == _NOTEBOOK


def find_files(
    paths: Sequence[Path], excluded: Sequence[str], problems: list[tuple[Path, str]]
) -> Iterator[Path]:
    """Yield the Python files and notebooks in folders, each file once, in order.

    Folders of version control, environments and build results are left out, and links to
    folders are not followed.  A file that is named itself is always one of them.

    Args:
        paths: files and folders.
        excluded: patterns of names, or of paths below the folder, that are left out.
        problems: receives what cannot be read, with the reason.
    """
    seen = set[str]()
    for path in paths:
        if not path.exists():
            problems.append((path, "There is no such file or folder."))
        for found in _below(path, excluded, problems) if path.is_dir() else [path]:
            # A link to a file that is found too is the same file; a FIFO would be read forever.
            if found.is_file() and (real := os.path.realpath(found)) not in seen:
                seen.add(real)
                if found == path or found.suffix in _SUFFIXES:
                    yield found


def project_files(
    paths: Sequence[Path], excluded: Sequence[str], names: Iterable[str]
) -> list[Path]:
    """Return the files beside and below ``paths`` whose names match, such as requirements."""
    found = dict[Path, None]()
    patterns = tuple(names)
    for path in paths:
        inside = _below(path, excluded, []) if path.is_dir() else path.parent.glob("*")
        for file in inside:
            if any(fnmatchcase(file.name, name) for name in patterns) and file.is_file():
                found[file] = None
    return list(found)


def _below(
    folder: Path, excluded: Sequence[str], problems: list[tuple[Path, str]]
) -> Iterator[Path]:
    def report(error: OSError) -> None:
        problems.append((Path(error.filename), f"It cannot be read: {error.strerror}."))

    for parent, folders, files in os.walk(folder, onerror=report):
        here = Path(parent)
        folders[:] = sorted(
            name
            for name in folders
            if name not in _IGNORED
            and not _is_excluded(here / name, folder, excluded)
            # An environment, whatever its name is.
            and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            if not _is_excluded(here / name, folder, excluded):
                yield here / name


def _is_excluded(path: Path, folder: Path, excluded: Sequence[str]) -> bool:
    below = path.relative_to(folder).as_posix()
    return any(
        fnmatchcase(path.name, pattern) or fnmatchcase(below, pattern.rstrip("/"))
        for pattern in excluded
    )


def read_source(path: Path) -> Source:
    """Read a file; a file that uses neither package has no cells and no problem."""
    try:
        return _read(path)
    except OSError as error:
        return Source(path, problem=f"It cannot be read: {error.strerror or error}.")
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return Source(path, problem="It is not text in the encoding that it declares.")


def _read(path: Path) -> Source:
    notebook = path.suffix == _NOTEBOOK
    largest = _LARGEST_NOTEBOOK if notebook else _LARGEST_PROGRAM
    if not _has_mark(path):
        return Source(path)
    if path.stat().st_size > largest:
        return Source(path, problem=f"It is larger than {largest:,} bytes, so it is not parsed.")
    data = path.read_bytes()
    if b"\0" in data:
        return Source(path, problem="It is not text: it has null bytes.")
    if notebook:
        encoding = "utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "utf-8"
        return _notebook(path, data.decode(encoding), encoding)
    encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
    text = data.decode(encoding)
    return Source(path, (Cell(text),), text=text, encoding=encoding)


def _notebook(path: Path, text: str, encoding: str) -> Source:
    try:
        found = read_notebook(text)
    except ValueError as error:
        return Source(path, problem=f"It is no notebook that can be read: {error}.")
    cells = (Cell("".join(p.value for p in pieces), number, pieces) for number, pieces in found)
    return Source(path, tuple(cells), text=text, encoding=encoding)


def _has_mark(path: Path) -> bool:
    """Return whether a file may use one of the packages; it is not read into memory as a whole."""
    longest = max(map(len, _MARKS))
    with path.open("rb") as file:
        before = b""
        while block := file.read(_BLOCK):
            found = before + block
            if any(mark in found for mark in _MARKS):
                return True
            before = found[-longest:]
    return False
