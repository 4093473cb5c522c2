"""What has to be changed in a file, and what has to be decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from speech_compat._migration.backends import Verdict, verdicts
from speech_compat._migration.code import Code, Place, read_code
from speech_compat._migration.names import PACKAGE, VERSIONS, Kind, kind_of
from speech_compat._migration.program import Era, Feature, Program, read_program
from speech_compat._migration.rules import (
    IMPORT,
    IMPORT_BY_HAND,
    NOT_RETIRED,
    OF_FEATURE,
    SYNTAX,
    TEXT,
    UNDIFFERENTIATED,
    UNKNOWN,
    UNREADABLE,
    Level,
    Rule,
)
from speech_compat._migration.sources import LINE_END, find_files, read_source
from speech_compat._migration.usage import Import, Usage, usage_of

__all__ = ["FileReport", "Finding", "scan_project"]

_OF_KIND: Final = {
    Kind.NOT_RETIRED: (NOT_RETIRED, "was not retired"),
    Kind.UNKNOWN: (UNKNOWN, f"is not in version {VERSIONS} of the SDK"),
}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        rule: its kind.
        level: how it counts, which the project may change.
        place: where it is.
        message: what was found, as a sentence.
    """

    rule: Rule
    level: Level
    place: Place
    message: str


@dataclass
class FileReport:
    """What was found in a file.

    Attributes:
        path: the file.
        era: the era of the program; ``None`` if the file could not be examined.
        eras: all eras that it uses.
        features: the places of each feature.
        names: the names of the package that it uses, by kind.
        used: all parts of these names.
        verdicts: what each backend would do; empty if the file transcribes nothing.
        findings: in the order of the file.
    """

    path: Path
    era: Era | None = None
    eras: tuple[Era, ...] = ()
    features: dict[Feature, tuple[Place, ...]] = field(default_factory=dict)
    names: dict[Kind, tuple[str, ...]] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[Finding, ...] = ()

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(finding.level is level for finding in self.findings)


def scan_project(paths: Sequence[Path], excluded: Sequence[str]) -> list[FileReport]:
    """Examine files and folders; files that use neither package are left out.

    Objects of both packages do not fit together.  So a file that only recognizes or synthesizes
    speech has to be changed if another one transcribes, because they may share a configuration.
    In a project without transcription there is nothing to change.
    """
    problems: list[tuple[Path, str]] = []
    files = list(find_files(paths, excluded, problems))
    found = [report for path in files if (report := _scan_file(path)) is not None]
    unread = [_unreadable(path, reason) for path, reason in problems]
    if not any(report.era is not None and report.era.transcribes for report in found):
        for report in found:
            report.findings = tuple(map(_calmed, report.findings))
    return [*unread, *found]


def _calmed(finding: Finding) -> Finding:
    if finding.rule in {IMPORT, IMPORT_BY_HAND, TEXT}:
        return replace(finding, level=Level.NOTE)
    return finding


def _unreadable(path: Path, reason: str) -> FileReport:
    return FileReport(path, findings=(_finding(UNREADABLE, Place(1), reason),))


def _scan_file(path: Path) -> FileReport | None:
    """Examine a file; ``None`` if it uses neither the real package nor the facade."""
    source = read_source(path)
    if source.problem:
        return _unreadable(path, source.problem)
    if not source.cells:
        return None
    try:
        code = read_code(source)
        usage = usage_of(code.tree)
    except RecursionError:
        return _unreadable(path, "It is nested too deeply to be examined.")
    unread = tuple(_unread(code))
    if not (usage.imports or usage.module_texts or unread):
        return None
    program = read_program(usage)
    return FileReport(
        path,
        program.eras[0],
        program.eras,
        {
            feature: tuple(code.place(line) for line in lines)
            for feature, lines in program.features.items()
        },
        _names(usage),
        usage.names,
        verdicts(program.requests),
        tuple(sorted((*unread, *_findings(code, usage, program)), key=lambda f: f.place)),
    )


def _finding(rule: Rule, place: Place, message: str) -> Finding:
    return Finding(rule, rule.level, place, message)


def _unread(code: Code) -> Iterator[Finding]:
    """Yield the lines that could not be parsed, and what they may be."""
    if code.wrong and not code.tree.body:
        # Without a tree only the lines that name the package can be found.
        for cell, start in zip(code.source.cells, code.starts, strict=True):
            for line, text in enumerate(LINE_END.split(cell.text), start + 1):
                if PACKAGE in text:
                    message = "The file could not be parsed; this line names the package."
                    yield _finding(UNREADABLE, code.place(line), message)
    for line in code.wrong[: bool(code.tree.body)]:
        more = f", and {len(code.wrong) - 1} others" if code.wrong[1:] else ""
        message = f"This line is no valid Python 3{more}; it was not examined."
        yield _finding(SYNTAX, code.place(line), message)


def _names(usage: Usage) -> dict[Kind, tuple[str, ...]]:
    found: dict[Kind, dict[str, None]] = {kind: {} for kind in Kind}
    for use in usage.uses:
        found[kind_of(use.path)][_dotted(use.path)] = None
    return {kind: tuple(sorted(names)) for kind, names in found.items()}


def _dotted(path: tuple[str, ...]) -> str:
    """Return a name up to the member of a class: what is behind it are other objects.

    Of a class that was not retired, the members are those of the real package.
    """
    end = next((i + 1 for i, part in enumerate(path) if part[:1].isupper()), len(path))
    end += kind_of(path[:end]) is Kind.INCLUDED
    return ".".join(part.removesuffix("()") for part in path[:end])


def _findings(code: Code, usage: Usage, program: Program) -> Iterator[Finding]:
    for found in usage.imports:
        if found.target or found.reason:
            yield _of_import(found, code.place(found.line, found.column))
    for text in usage.module_texts:
        message = f"The text {text.value!r} names the package; change it by hand."
        yield _finding(TEXT, code.place(text.line, text.column), message)
    yield from _of_names(code, usage)
    for feature, rule in OF_FEATURE.items():
        for line in program.features.get(feature, ()):
            yield _finding(rule, code.place(line), _message(feature, program))
    if program.undifferentiated:
        line = next((use.line for use in usage.uses if use.call is not None), 1)
        yield _finding(UNDIFFERENTIATED, code.place(line), UNDIFFERENTIATED.summary)


def _of_import(found: Import, place: Place) -> Finding:
    if found.reason:
        message = f"'{found.statement}' is left as it is: {found.reason}."
        return _finding(IMPORT_BY_HAND, place, message)
    return _finding(IMPORT, place, f"'{found.statement}' becomes an import of {found.target}.")


def _of_names(code: Code, usage: Usage) -> Iterator[Finding]:
    """Yield a finding for each name, where it is used first."""
    seen = set[str]()
    for use in usage.uses:
        name, kind = _dotted(use.path), kind_of(use.path)
        if name not in seen and kind is not Kind.INCLUDED:
            seen.add(name)
            rule, state = _OF_KIND[kind]
            yield _finding(rule, code.place(use.line, use.column), f"The name {name} {state}.")


def _message(feature: Feature, program: Program) -> str:
    if feature is Feature.CHANNELS:
        return f"The program sends {program.channels} channels."
    if feature is Feature.MODE:
        return f"The program sets transcriptionMode to {program.mode!r}."
    return OF_FEATURE[feature].summary
