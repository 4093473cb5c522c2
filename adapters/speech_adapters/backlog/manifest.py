"""Manifests: lists of recordings, read line by line at constant memory.

A manifest is a CSV file, a file of JSON Lines, a folder, a glob, or the address of a container in
Blob Storage.
"""

from __future__ import annotations

import csv
import glob
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from speech_adapters.audio import AUDIO_SUFFIXES
from speech_adapters.backlog.items import Entry, Problem
from speech_adapters.errors import ConfigurationError
from speech_adapters.transcript import replace_surrogates

__all__ = ["KINDS", "is_address", "manifest_label", "read_manifest"]

KINDS: Final = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
# The names of each column, of which the first is documented first.
_COLUMNS: Final = {
    "source": ("file", "path", "source", "recording", "audio", "url", "address"),
    "id": ("id",),
    "title": ("title", "notes"),
    "language": ("language", "locale"),
    "speakers": ("max_speakers", "speakers"),
}
_NAMES: Final = {name: column for column, names in _COLUMNS.items() for name in names}
# No manifest has such a line, but files of other kinds have.
_LONGEST_LINE: Final = 1024 * 1024
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_MOST_SPEAKERS: Final = 1000
_LONGEST_TEXT: Final = 2000

Found = Entry | Problem


def read_manifest(manifest: str) -> Iterator[Found]:
    """Yield the recordings of a manifest in their order, and the lines that cannot be used.

    Relative paths in a file are those from its own folder.

    Args:
        manifest: the path of a file or folder, a glob, or the address of a container.

    Raises:
        ConfigurationError: it is no manifest, or cannot be read.
        MissingExtraError: the package for containers is not installed.
        SpeechError: the container cannot be listed.
    """
    if is_address(manifest):
        from speech_adapters.azure.blob_listing import list_blobs

        for number, blob in enumerate(list_blobs(manifest), 1):
            yield Entry(number, blob.source, blob.address, blob.stamp, blob.size)
        return
    path = Path(manifest)
    if glob.has_magic(manifest) and not os.path.lexists(manifest):
        yield from _files(glob.iglob(manifest, recursive=True))  # noqa: PTH207 - any pattern
    elif path.is_dir():
        yield from _files(_search(path))
    else:
        yield from _lines(path)


def is_address(text: str) -> bool:
    """Return whether a text is an address in the web, not a path."""
    return text.lower().startswith(("https://", "http://"))


def manifest_label(manifest: str) -> str:
    """Return the name of a manifest in messages and in the journal: without a signature."""
    if is_address(manifest):
        return manifest.partition("?")[0]
    return os.path.abspath(manifest)  # noqa: PTH100 - lexically: a link keeps its own name


def _search(folder: Path) -> Iterator[str]:
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (str(Path(parent, name)) for name in sorted(files))


def _raise(error: OSError) -> None:
    raise ConfigurationError(f"The folder {error.filename} cannot be read: {error.strerror}.")


def _files(paths: Iterator[str]) -> Iterator[Found]:
    """Yield the audio files among the paths."""
    number = 0
    for path in paths:
        pure = PurePath(path)
        if pure.suffix.lower() in AUDIO_SUFFIXES and not pure.name.startswith("."):
            number += 1
            yield _with_file(Entry(number, path), Path())


def _lines(path: Path) -> Iterator[Found]:
    kind = KINDS.get(path.suffix.lower())
    if kind is None and path.is_file():
        raise ConfigurationError(
            f"{path} is no manifest: name a CSV file (.csv), a file of JSON Lines (.jsonl), a"
            " folder, a glob in quotes, or the https address of a container."
        )
    try:
        # Bytes that are no UTF-8 are a problem of their line, not of the file.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = _limited(file, path)
            yield from _csv(lines, path) if kind == "csv" else _json_lines(lines, path.parent)
    except OSError as error:
        raise ConfigurationError(f"The manifest {path} cannot be read: {error.strerror}.") from None


def _limited(file: Any, path: Path) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise ConfigurationError(
                f"Line {number} of the manifest {path} is longer than {_LONGEST_LINE} characters:"
                " it is no manifest."
            )
        yield line


def _csv(lines: Iterator[str], path: Path) -> Iterator[Found]:
    head = next(lines, "")
    # Spreadsheets write what the language of the user wants.
    delimiter = max(",;\t", key=head.count)
    columns = [
        _NAMES.get(name.strip().lower())
        for name in next(csv.reader([head], delimiter=delimiter), [])
    ]
    if "source" not in columns:
        raise ConfigurationError(
            f"The first line of the manifest {path} has no column for the recordings, called file"
            " or url."
        )
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begin = reader.line_num + 2
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield Problem(begin, "", f"It is no valid CSV ({error}).")
            continue
        if row is None:
            return
        if any(field.strip() for field in row):
            yield _row(begin, row, columns, path.parent)


def _row(line: int, row: Sequence[str], columns: Sequence[str | None], folder: Path) -> Found:
    if len(row) > len(columns):
        return Problem(
            line, "", f"It has {len(row)} fields, and the first line {len(columns)}: quote fields."
        )
    fields = [field.strip() for field in row]
    pairs = [(column, field) for column, field in zip(columns, fields, strict=False) if field]
    return _with_values(line, pairs, folder)


def _json_lines(lines: Iterator[str], folder: Path) -> Iterator[Found]:
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            yield Problem(number, "", "It is no valid JSON.")
            continue
        if isinstance(found, str):
            found = {"file": found}
        if not isinstance(found, dict):
            yield Problem(number, "", "It is neither a JSON object nor a text.")
            continue
        pairs = [(_NAMES.get(name.lower()), value) for name, value in found.items()]
        yield _with_values(number, [(c, v) for c, v in pairs if v not in (None, "")], folder)


def _with_values(line: int, pairs: Sequence[tuple[str | None, Any]], folder: Path) -> Found:
    """Return the recording of a line, of which the names that are not known are ignored."""
    values: dict[str, Any] = {}
    for column, value in pairs:
        if column in values:
            return Problem(line, "", f"It has two values for {_COLUMNS[column][0]}.")
        if column is not None:
            values[column] = value
    return _entry(line, values, folder)


def _entry(line: int, values: Mapping[str, Any], folder: Path) -> Found:
    """Return the recording of a line, whose values may be of any type."""
    texts = {name: _text(value) for name, value in values.items()}
    source = texts.get("source") or ""
    if problem := _problem(texts):
        return Problem(line, replace_surrogates(source)[:_LONGEST_TEXT], problem)
    entry = Entry(
        line,
        source,
        id=texts.get("id") or "",
        title=texts.get("title") or "",
        language=texts.get("language") or "",
        speakers=int(texts.get("speakers") or 0) or None,
    )
    return _with_address(entry) if is_address(source) else _with_file(entry, folder)


def _text(value: Any) -> str | None:
    """Return a value as a text; ``None`` if it is of another kind."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return str(value)
    except ValueError:  # a number of thousands of digits
        return None


def _problem(texts: Mapping[str, str | None]) -> str:
    if wrong := next((name for name, text in texts.items() if text is None), ""):
        return f"The value of {_COLUMNS[wrong][0]} is neither a text nor a whole number."
    present = {name: text or "" for name, text in texts.items()}
    if any(replace_surrogates(text) != text or "\0" in text for text in present.values()):
        return "It is no valid UTF-8."
    if any(len(text) > _LONGEST_TEXT for name, text in present.items() if name != "source"):
        return f"A value has more than {_LONGEST_TEXT} characters."
    if not present.get("source"):
        return "It names no recording."
    return _wish_problem(present.get("language", ""), present.get("speakers", ""))


def _wish_problem(language: str, speakers: str) -> str:
    if language and not _LANGUAGE.fullmatch(language):
        return f"{language!r} is no language: write a tag such as en-US."
    known = re.fullmatch(r"[0-9]{1,4}", speakers)
    if speakers and not (known and 1 <= int(speakers) <= _MOST_SPEAKERS):
        return f"The number of speakers must be 1 to {_MOST_SPEAKERS}."
    return ""


def _with_address(entry: Entry) -> Found:
    label = entry.source.partition("#")[0].partition("?")[0]
    try:
        parts = urlsplit(entry.source)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if not host:
        return Problem(entry.line, label, "The address has no host.")
    if parts.path.endswith("/") or not parts.path:
        return Problem(entry.line, label, "The address names no file, but a folder.")
    return attrs.evolve(entry, source=label, address=entry.source)


def _with_file(entry: Entry, folder: Path) -> Found:
    path = os.path.abspath(folder / entry.source)  # noqa: PTH100 - a link keeps its own name
    label = replace_surrogates(path)
    if label != path:
        return Problem(entry.line, label, "The name of the file is no valid UTF-8: rename it.")
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        return Problem(entry.line, path, f"The file cannot be read: {reason}.")
    if not stat.S_ISREG(status.st_mode):
        return Problem(entry.line, path, "It is not a file.")
    stamp = f"{status.st_size} {status.st_mtime_ns}"
    return attrs.evolve(entry, source=path, stamp=stamp, size=status.st_size)
