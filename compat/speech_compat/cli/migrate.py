"""The command ``migrate``: changes the imports of legacy programs."""

from __future__ import annotations

import argparse
import difflib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speech_compat._migration.findings import FileReport, scan_project
from speech_compat._migration.rewriting import need_libcst, rewrite
from speech_compat._migration.rules import BY_HAND, Level
from speech_compat._migration.sources import LINE_END, project_files, read_source
from speech_compat._migration.version_control import irrecoverable
from speech_compat.cli.output import report, write

__all__ = ["migrate"]

_DEPENDENCIES: Final = (
    "*requirements*.txt", "*requirements*.in", "pyproject.toml", "setup.py", "setup.cfg",
    "Pipfile", "environment*.yml", "environment*.yaml",
)  # fmt: skip
_OLD: Final = "azure-cognitiveservices-speech"
_NEW: Final = "speech-compat"


@dataclass(frozen=True)
class _Change:
    """A file that is changed.

    Attributes:
        path: the file.
        before: its text.
        after: its new text.
        encoding: how it is encoded.
    """

    path: Path
    before: str
    after: str
    encoding: str


def migrate(options: argparse.Namespace) -> int:
    """Show how the imports of the files that ``options`` name change; ``--write`` changes them.

    Returns:
        The exit code: 0, or 1 if a file was refused or something is left to change by hand.

    Raises:
        MissingExtraError: libcst is not installed.
        OSError: a file cannot be written.
    """
    need_libcst()
    reports = scan_project(options.paths, options.exclude)
    changes, left = _changes(reports)
    write("".join(map(_diff, changes)), None)
    if options.write and not options.force and (refused := irrecoverable(c.path for c in changes)):
        for path, reason in refused:
            report(f"{path}: {reason}, so the change could not be undone.")
        report("Nothing was changed. Commit these files first, or use --force.")
        return 1
    if options.write:
        for change in changes:
            _replace(change.path, change.after.encode(change.encoding))
    for line in (*left, *_dependencies(options.paths, options.exclude, reports)):
        report(line)
    report(_summary(len(changes), len(left), written=options.write))
    return 1 if left else 0


def _changes(reports: Sequence[FileReport]) -> tuple[list[_Change], list[str]]:
    """Return the files to change, and what is left, one sentence each."""
    changes, left = list[_Change](), list[str]()
    for each in reports:
        found = [finding for finding in each.findings if finding.level is Level.CHANGE]
        left += [f"{each.path}, {f.place}: {f.message}" for f in found if f.rule in BY_HAND]
        if any(finding.rule not in BY_HAND for finding in found):
            source = read_source(each.path)
            result = rewrite(source, each.used)
            if result.problem:
                left.append(f"{each.path}: {result.problem} Its imports are left as they are.")
            if result.text != source.text:
                changes.append(_Change(each.path, source.text, result.text, source.encoding))
    return changes, left


def _diff(change: _Change) -> str:
    """Return a unified difference, as ``git apply`` and ``patch -p1`` read it."""
    name = change.path.as_posix().lstrip("/")
    lines = difflib.unified_diff(
        _lines(change.before), _lines(change.after), f"a/{name}", f"b/{name}"
    )
    ended = (
        line if line[-1:] == "\n" else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    return "".join(ended)


def _lines(text: str) -> list[str]:
    # Only at "\n", as the readers of differences do; str.splitlines also splits elsewhere.
    lines = [f"{line}\n" for line in text.split("\n")]
    return [*lines[:-1], lines[-1][:-1]] if text[-1:] != "\n" else lines[:-1]


def _replace(path: Path, data: bytes) -> None:
    """Replace the content of a file as a whole; a link is followed."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".speech-compat-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(data)
        shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _dependencies(
    paths: Sequence[Path], excluded: Sequence[str], reports: Sequence[FileReport]
) -> Iterator[str]:
    """Yield a step for each file that requires the real package and not this one."""
    if not any(each.era is not None and each.era.transcribes for each in reports):
        return
    for path in project_files(paths, excluded, _DEPENDENCIES):
        text = path.read_text("utf-8", "replace")
        lines = LINE_END.split(text)
        found = next((n for n, line in enumerate(lines, 1) if _OLD in line.replace("_", "-")), 0)
        if found and _NEW not in text:
            yield (
                f"{path}, line {found}: add speech-compat with the extra of your backend by hand."
                " Keep the line if the program uses parts of the package that were not retired."
            )


def _summary(changed: int, left: int, *, written: bool) -> str:
    files = f"{changed} file{'' if changed == 1 else 's'}"
    if not changed:
        done = "Nothing to change automatically"
    elif written:
        done = f"{files} changed; undo it by version control"
    else:
        done = f"{files} would be changed; --write changes {'it' if changed == 1 else 'them'}"
    return f"{done}. {left} left to change by hand." if left else f"{done}."
