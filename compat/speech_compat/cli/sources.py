"""The recordings that a command line names: files, folders, globs, addresses and ``-``."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

import attrs

from speech_adapters.audio import AUDIO_SUFFIXES
from speech_adapters.temporary import create_folder, remove_folder

__all__ = ["Source", "expand", "is_glob", "read_standard_input"]

_STDIN: Final = "-"
# Reported if a folder has them: to leave them out silently would look as if all were done.  They
# are often beside an audio file of the same meeting, so they are transcribed only by name.
_VIDEO: Final = {".avi", ".m4v", ".mkv", ".mov", ".mp4"}


@attrs.frozen
class Source:
    """A recording to transcribe.

    Attributes:
        label: its name in messages; an address is without its query, which may be a signature.
        name: the last part of it.
        path: the file, or ``None``.
        address: the address, or ``None``.
        relative: where its result is, below the folder of all results; it has the suffix of
            the recording.
        problem: why the argument names no recording, as a sentence; else empty.
        repeatable: whether the same command has the same recording next time.
    """

    label: str
    name: str
    relative: PurePath
    path: Path | None = None
    address: str | None = None
    problem: str = ""
    repeatable: bool = True

    @property
    def weight(self) -> int:
        """Share of the work, in bytes; 0 if it is unknown."""
        try:
            return 0 if self.path is None else self.path.stat().st_size
        except OSError:
            return 0


def expand(arguments: Sequence[str]) -> tuple[list[Source], list[str]]:
    """Return the recordings that arguments name, each once, and notes for the user.

    Folders are searched with all folders in them; names that begin with a period are ignored.
    An argument that names no recording is a source with a problem, so it fails like a file.
    """
    base = _common_folder(arguments)
    found: dict[str, Source] = {}
    notes: list[str] = []
    for argument in arguments:
        if argument == _STDIN:
            found[argument] = _standard_input()
        elif _is_address(argument):
            found[argument] = _address(argument)
        else:
            for source in _local(argument, base, notes):
                # By the absolute path: a folder and a file in it may both be arguments.
                found.setdefault(os.path.abspath(source.label), source)  # noqa: PTH100
    return list(found.values()), notes


def _common_folder(arguments: Sequence[str]) -> str:
    """Return the folder below which the names of results begin.

    It is the deepest one that contains all arguments.  A folder itself counts, and of a glob
    the part before its first wildcard.
    """
    anchors = [_anchor(a) for a in arguments if a != _STDIN and not _is_address(a)]
    try:
        return os.path.commonpath(anchors) if anchors else ""
    except ValueError:  # several drives of Windows
        return ""


def _is_address(argument: str) -> bool:
    return argument.startswith(("https://", "http://"))


def _anchor(argument: str) -> str:
    path = Path(argument)
    if not is_glob(argument):
        return os.path.abspath(path if path.is_dir() else path.parent)  # noqa: PTH100
    parts = path.parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return os.path.abspath(Path(*parts[:fixed]))  # noqa: PTH100


def is_glob(argument: str) -> bool:
    """Return whether an argument is a pattern with wildcards."""
    # A file may be called "talk [1].wav"; an existing path is never a pattern.
    return glob.has_magic(argument) and not os.path.lexists(argument)


def _standard_input() -> Source:
    # Without a path: the data is copied to a file only when nothing else is wrong.
    return Source("standard input", "stdin", PurePath("stdin.wav"), repeatable=False)


def _address(address: str) -> Source:
    label = address.split("?", maxsplit=1)[0]
    name = PurePath(urlsplit(address).path).name or "recording"
    return Source(label, name, PurePath(name), address=address)


def _local(argument: str, base: str, notes: list[str]) -> Iterator[Source]:
    if not is_glob(argument):
        yield from _file_or_folder(Path(argument), base, notes)
        return
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 - any pattern, also absolute
    if not matches:
        yield _failed(argument, f"No file matches the pattern {argument}.")
    for match in matches:
        path = Path(match)
        # A pattern like "**" matches each folder and the files in it; every file counts once.
        if not (path.is_dir() and "**" in argument):
            yield from _file_or_folder(path, base, notes)


def _file_or_folder(path: Path, base: str, notes: list[str]) -> Iterator[Source]:
    if not path.is_dir():
        yield _file(path, base)
        return
    problems: list[OSError] = []
    recordings, others = _search(path, problems)
    for error in problems:
        yield _failed(str(error.filename), f"{error.filename} cannot be read: {error.strerror}.")
    if others:
        count = f"{len(others)} video{'s are' if len(others) > 1 else ' is'}"
        notes.append(f"{path}: {count} not transcribed, such as {others[0]}: pass their names.")
    if not recordings and not problems:
        yield _failed(str(path), f"{path} is a folder without audio files.")
    for recording in recordings:
        yield _file(recording, base)


def _search(folder: Path, problems: list[OSError]) -> tuple[list[Path], list[Path]]:
    """Return the audio files in a folder, sorted, and its videos."""
    recordings: list[Path] = []
    others: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=problems.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            suffix = PurePath(name).suffix.lower()
            if not name.startswith(".") and suffix in AUDIO_SUFFIXES:
                recordings.append(Path(parent, name))
            elif not name.startswith(".") and suffix in _VIDEO:
                others.append(Path(parent, name))
    return sorted(recordings), sorted(others)


def _file(path: Path, base: str) -> Source:
    absolute = os.path.abspath(path)  # noqa: PTH100 - lexically: a link keeps its own name
    relative = os.path.relpath(absolute, base) if base else path.name
    return Source(str(path), path.name, PurePath(relative), path=path)


def _failed(label: str, problem: str) -> Source:
    return Source(label, label, PurePath("none"), problem=problem)


@contextmanager
def read_standard_input(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Yield the sources, with standard input as a temporary file, which is removed afterwards.

    A header may have to be completed from the length of the file, which a pipe does not have.

    Raises:
        StoreError: there is no place for temporary files.
        OSError: reading or writing failed.
    """
    if all(source.repeatable for source in sources):
        yield list(sources)
        return
    folder = create_folder()
    try:
        path = folder / "stdin"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield [s if s.repeatable else attrs.evolve(s, path=path) for s in sources]
    finally:
        remove_folder(folder)
