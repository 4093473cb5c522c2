"""Reports of a scan: text for people, JSON, and SARIF for code scanning."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from speech_compat._migration.backends import Verdict
from speech_compat._migration.code import Place
from speech_compat._migration.findings import FileReport, Finding
from speech_compat._migration.names import Kind
from speech_compat._migration.program import Era
from speech_compat._migration.rules import RULES, Level

__all__ = ["as_json", "as_sarif", "as_text"]

_ERAS: Final = {
    Era.MEETING: "meeting transcription, SDK 1.31 and later (retired on 2025-03-28)",
    Era.CONVERSATION: "conversation transcription, SDK up to 1.30 (retired on 2025-03-28)",
    Era.DIARIZATION: "real-time diarization, SDK 1.31 and later (not retired)",
    Era.RECOGNIZER: "recognizer only (not retired)",
    Era.OTHER: "no transcription",
}
_TITLES: Final = {Level.CHANGE: "to change", Level.DECIDE: "to decide", Level.NOTE: "notes"}
_SARIF_LEVELS: Final = {Level.CHANGE: "error", Level.DECIDE: "warning", Level.NOTE: "note"}
_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def as_text(reports: Sequence[FileReport]) -> str:
    """Return the report for people."""
    blocks = ["\n".join(_block(report)) + "\n" for report in reports]
    gaps = {gap for report in reports for verdict in report.verdicts for gap in verdict.gaps}
    if gaps:
        # One code may have several reasons, such as several languages.
        ordered = sorted(gaps, key=lambda gap: (gap.code, gap.reason))
        lines = (f"  {gap.code}  {gap.id}: {gap.reason}; {gap.way_out}" for gap in ordered)
        blocks.append("\n".join(["Codes (docs/warnings.md explains them)", *lines]) + "\n")
    return "\n".join([*blocks, _summary(reports)]) + "\n"


def _block(report: FileReport) -> Iterator[str]:
    yield f"{report.path}: {_ERAS[report.era] if report.era else 'not examined'}"
    others = [era.value for era in report.eras[1:]]
    if others:
        yield f"  also     {', '.join(others)}"
    if report.features:
        used = (f"{f.value} ({_places(places)})" for f, places in report.features.items())
        yield f"  uses     {', '.join(used)}"
    for level, title in _TITLES.items():
        found = [finding for finding in report.findings if finding.level is level]
        if found:
            yield f"  {title}"
            yield from (f"    {finding.place}: {finding.message}" for finding in found)
    if report.verdicts:
        yield "  backends, with default options"
        yield from (f"    {verdict.backend:<15}{_verdict(verdict)}" for verdict in report.verdicts)


def _places(places: Sequence[Place]) -> str:
    shown = ", ".join(map(str, places[:3]))
    return f"{shown} and {len(places) - 3} more" if places[3:] else shown


def _verdict(verdict: Verdict) -> str:
    if verdict.serves:
        lost = ", ".join(gap.code for gap in verdict.gaps)
        return f"serves it; lost: {lost}" if lost else "serves it"
    return f"refuses it: {', '.join(gap.code for gap in verdict.gaps if gap.blocking)}"


def _summary(reports: Sequence[FileReport]) -> str:
    if not reports:
        return "No file uses azure.cognitiveservices.speech or speech_compat."
    eras = Counter(report.era.value if report.era else "not examined" for report in reports)
    kinds = ", ".join(f"{count} {era}" for era, count in eras.items())
    change = sum(report.count(Level.CHANGE) for report in reports)
    decide = sum(report.count(Level.DECIDE) for report in reports)
    left = f"{change} to change" if change else "nothing left to change"
    return f"{len(reports)} {_plural('file', len(reports))}: {kinds}; {left}, {decide} to decide."


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def as_json(reports: Sequence[FileReport]) -> str:
    """Return the report as JSON; docs/cli.md describes the fields, which only get more."""
    levels = {level: sum(report.count(level) for report in reports) for level in Level}
    document = {
        "format": "speech-compat scan",
        "version": 1,
        "files": [_file(report) for report in reports],
        "summary": {
            "files": len(reports),
            **{level.value: count for level, count in levels.items()},
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _file(report: FileReport) -> dict[str, Any]:
    return {
        "path": report.path.as_posix(),
        "era": report.era.value if report.era else None,
        "eras": [era.value for era in report.eras],
        "features": [
            {"name": feature.value, "places": [_place(place) for place in places]}
            for feature, places in report.features.items()
        ],
        "names": {kind.value.replace(" ", "_"): list(report.names.get(kind, ())) for kind in Kind},
        "backends": [
            {
                "backend": verdict.backend,
                "serves": verdict.serves,
                "gaps": [
                    {
                        "id": gap.id,
                        "code": gap.code,
                        "blocking": gap.blocking,
                        "reason": gap.reason,
                        "remedy": gap.way_out,
                    }
                    for gap in verdict.gaps
                ],
            }
            for verdict in report.verdicts
        ],
        "findings": [
            {
                "rule": finding.rule.id,
                "level": finding.level.value,
                **_place(finding.place),
                "message": finding.message,
                "remedy": finding.rule.remedy,
            }
            for finding in report.findings
        ],
    }


def _place(place: Place) -> dict[str, int | None]:
    return {
        "line": place.line,
        "column": place.column,
        "cell": place.cell or None,
        "cell_line": place.cell_line or None,
    }


def as_sarif(reports: Sequence[FileReport]) -> str:
    """Return the report as SARIF 2.1.0, with the properties that GitHub's code scanning needs.

    Paths are relative to the present folder, which must be the root of the repository there.
    """
    seen = Counter[str]()
    run = {
        "tool": {
            "driver": {
                "name": "speech-compat scan",
                "semanticVersion": version("speech-compat"),
                "rules": [
                    {
                        "id": rule.id,
                        "shortDescription": {"text": rule.summary},
                        "fullDescription": {"text": f"{rule.summary} {rule.remedy}"},
                        "help": {"text": rule.remedy},
                        "defaultConfiguration": {"level": _SARIF_LEVELS[rule.level]},
                    }
                    for rule in RULES
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(report.path, finding, seen) for report in reports for finding in report.findings
        ],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _result(path: Path, finding: Finding, seen: Counter[str]) -> dict[str, Any]:
    place = f" ({finding.place})" if finding.place.cell else ""
    message = f"{finding.message} {finding.rule.remedy}"
    artifact = _artifact(path)
    # Equal before and after lines are added above, so that an alert stays the same one.
    digest = hashlib.sha256(
        f"{artifact['uri']}\n{finding.rule.id}\n{finding.message}".encode("utf-8", "replace")
    ).hexdigest()[:16]
    seen[digest] += 1
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.index(finding.rule),
        "level": _SARIF_LEVELS[finding.level],
        "message": {"text": message + place},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": artifact,
                    "region": {
                        "startLine": finding.place.line,
                        "startColumn": finding.place.column,
                    },
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{digest}:{seen[digest]}"},
    }


def _artifact(path: Path) -> dict[str, str]:
    absolute = path.resolve()
    here = Path.cwd().resolve()
    if absolute.is_relative_to(here):
        below = quote(absolute.relative_to(here).as_posix().encode("utf-8", "surrogateescape"))
        return {"uri": below, "uriBaseId": "%SRCROOT%"}
    return {"uri": absolute.as_uri()}
