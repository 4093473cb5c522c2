"""How the command ``doctor`` writes its results: aligned text, or a JSON document."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

from speech_adapters.diagnosis import Finding, Level
from speech_adapters.masking import mask
from speech_compat.cli.doctor_report import Diagnosis, is_failure

__all__ = ["JsonReport", "TextReport"]

_MARKS: Final = {
    Level.OK: "ok",
    Level.WARNING: "warning",
    Level.FAILED: "FAILED",
    Level.SKIPPED: "-",
}
_STYLES: Final = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.FAILED: "bold red",
    Level.SKIPPED: "dim",
}
_MARK_WIDTH: Final = 9
_TITLE_WIDTH: Final = 25
_INDENT: Final = 2 + _MARK_WIDTH + _TITLE_WIDTH
_NARROWEST: Final = 72
_WIDEST: Final = 110


class JsonReport:
    """Writes one document at the end; docs/cli.md describes it."""

    def __init__(self) -> None:
        self._backend: str | None = None
        self._online = False
        self._results: list[Diagnosis] = []
        self._others: list[dict[str, Any]] = []

    def begin(self, backend: str | None, *, online: bool) -> None:
        """Note the head of the document."""
        self._backend, self._online = backend, online

    def add(self, diagnosis: Diagnosis) -> None:
        """Note a result."""
        self._results.append(diagnosis)

    def add_other(self, name: str, reason: str) -> None:
        """Note the status of a backend."""
        self._others.append({"name": name, "usable": not reason, "reason": mask(reason)})

    def end(self) -> int:
        """Write the document."""
        failing = any(is_failure(found, self._backend) for found in self._results)
        document = {
            "format": "speech-compat doctor",
            "version": 1,
            "package": version("speech-compat"),
            "backend": self._backend,
            "online": self._online,
            "ok": not failing,
            "checks": [_as_data(found) for found in self._results],
            "others": self._others,
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return int(failing)


def _as_data(found: Diagnosis) -> dict[str, Any]:
    finding = found.finding
    return {
        "group": found.group.id,
        "backend": found.group.backend or None,
        "id": found.id,
        "title": found.title,
        "level": finding.level.value,
        "text": finding.text,
        "fix": finding.fix,
    }


class TextReport:
    """Writes a line for each check when it ends, colored on a terminal."""

    def __init__(self) -> None:
        self._backend: str | None = None
        self._online = False
        self._title = ""  # of the group of the last line
        self._count: Counter[Level] = Counter()
        self._failing = False
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDEST
        self._width = min(max(columns, _NARROWEST), _WIDEST)

    def begin(self, backend: str | None, *, online: bool) -> None:
        """Note what is checked."""
        # A terminal that lacks a character shows its code instead of failing.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        self._backend, self._online = backend, online

    def add(self, diagnosis: Diagnosis) -> None:
        """Write a result, below the title of its group."""
        self._open_group(diagnosis.group.title)
        self._count[diagnosis.finding.level] += 1
        self._failing = self._failing or is_failure(diagnosis, self._backend)
        self._write(diagnosis.title, diagnosis.finding)

    def add_other(self, name: str, reason: str) -> None:
        """Write the status of a backend, below those that were checked."""
        self._open_group("Other backends")
        level = Level.SKIPPED if reason else Level.OK
        self._write(name, Finding(level, reason or "can be used with these settings"))

    def end(self) -> int:
        """Write the summary."""
        failures, warnings = self._count[Level.FAILED], self._count[Level.WARNING]
        found = [_counted(failures, "failure"), _counted(warnings, "warning")]
        summary = " and ".join(text for text in found if text) or "No faults were found"
        _print("")
        if self._backend is None:
            _print(f"{summary}. Everything else is checked once the settings are right.", "bold")
        else:
            hint = "" if self._online else " Add --online to check the services too."
            _print(f"{summary} for the backend {self._backend}.{hint}", "bold")
        return int(self._failing)

    def _open_group(self, title: str) -> None:
        if title != self._title:
            if self._title:
                _print("")
            _print(mask(title), "bold")
            self._title = title

    def _write(self, title: str, finding: Finding) -> None:
        mark = _MARKS[finding.level]
        lines = self._wrapped(finding.text)
        first = f"{title:<{_TITLE_WIDTH - 1}} {lines[0]}"
        _print_marked(f"{mark:<{_MARK_WIDTH}}", first, _STYLES[finding.level])
        for line in lines[1:]:
            _print(" " * _INDENT + line)
        if finding.fix:
            for line in self._wrapped(f"Fix: {finding.fix}"):
                _print(" " * _INDENT + line)

    def _wrapped(self, text: str) -> list[str]:
        # Commands and paths stay whole, so that they can be copied.
        width = self._width - _INDENT
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}" if number else ""


def _print_marked(mark: str, rest: str, style: str) -> None:
    if not _is_colored():
        _print(f"  {mark}{rest}")
        return
    from rich.console import Console
    from rich.text import Text

    Console(soft_wrap=True).print(Text.assemble("  ", (mark, style), rest))


def _print(text: str, style: str = "") -> None:
    if not style or not _is_colored():
        sys.stdout.write(text + "\n")
        return
    from rich.console import Console
    from rich.text import Text

    Console(soft_wrap=True).print(Text(text, style))


def _is_colored() -> bool:
    # rich is imported only for a terminal, since it takes longer to load than all the rest.
    return sys.stdout.isatty() and find_spec("rich") is not None
