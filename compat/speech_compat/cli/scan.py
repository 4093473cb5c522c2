"""The command ``scan``: what legacy programs use, and what is left to change."""

from __future__ import annotations

import argparse
from typing import Final

from speech_compat._migration.findings import scan_project
from speech_compat._migration.report import as_json, as_sarif, as_text
from speech_compat._migration.rules import Level
from speech_compat.cli.output import write

__all__ = ["scan"]

_FORMATS: Final = {"text": as_text, "json": as_json, "sarif": as_sarif}
_FAIL_ON: Final[dict[str, set[Level]]] = {
    "change": {Level.CHANGE},
    "decide": {Level.CHANGE, Level.DECIDE},
    "never": set(),
}


def scan(options: argparse.Namespace) -> int:
    """Write the report of the files that ``options`` name.

    Returns:
        The exit code: 0, or 1 if something is left to do (``--fail-on`` states what counts).

    Raises:
        OSError: the report cannot be written.
    """
    reports = scan_project(options.paths, options.exclude)
    text = _FORMATS[options.format](reports)
    # Names of files may be no text; the escapes are also those of JSON.
    write(text.encode("utf-8", "backslashreplace").decode(), options.output)
    left = _FAIL_ON[options.fail_on]
    return int(any(finding.level in left for each in reports for finding in each.findings))
