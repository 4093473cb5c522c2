"""Compare surfaces row by row: same, deliberately different, passed through or unexplained."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import attrs

from ledger.surface import Surface
from speech_compat._sdk.passthrough import MEMBERS, NAMES

__all__ = ["Differences", "Explanation", "Row", "compare", "load_differences"]

SAME: Final = "same"
DELIBERATE: Final = "deliberate"
PASSED_THROUGH: Final = "passed through"
UNEXPLAINED: Final = "unexplained"


@attrs.frozen
class Explanation:
    """Why something differs or is passed through.

    Attributes:
        path: a pattern for paths such as ``transcription.Meeting.meeting_id``; the names
            of the package itself begin with a dot.
        reason: why, and what to do.
        versions: versions of the real package that it applies to; empty for all.
    """

    path: str
    reason: str
    versions: tuple[str, ...] = ()

    def explains(self, path: str, version: str) -> bool:
        """Whether it applies to ``path`` in that version."""
        return fnmatchcase(path, self.path) and (not self.versions or version in self.versions)


@attrs.frozen
class Differences:
    """All explanations, and the differences in behavior that signatures do not show."""

    deliberate: tuple[Explanation, ...]
    behaviors: tuple[dict[str, str], ...]


@attrs.frozen
class Row:
    """One name or member; ``difference`` describes in words how it differs."""

    path: str
    status: str
    difference: str = ""
    explanation: Explanation | None = None

    @property
    def owner(self) -> str:
        """The path of the class, or the path itself."""
        return ".".join(self.path.split(".")[:2])


def load_differences(path: Path) -> Differences:
    """Read ``differences.toml``."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return Differences(
        _explanations(data["deliberate"]),
        tuple(data["behavior"]),
    )


def compare(real: Surface, ours: Surface, version: str, differences: Differences) -> list[Row]:
    """Compare ``ours`` with the surface of ``version``."""
    rows = []
    for module, names in real.items():
        for name, entry in names.items():
            path = f"{module}.{name}"
            found = ours.get(module, {}).get(name)
            rows += [_row(*pair, version, differences) for pair in _pairs(path, entry, found)]
    return rows


def _pairs(
    path: str, real: dict[str, Any], ours: dict[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """Yield each path with its difference; empty if there is none."""
    yield path, _difference(real, ours)
    if real["kind"] != "class":
        return
    members = {} if ours is None else ours.get("members", {})
    for name, member in real["members"].items():
        if member["kind"] == "class":
            yield from _pairs(f"{path}.{name}", member, members.get(name))
        else:
            yield f"{path}.{name}", _difference(member, members.get(name))


def _difference(real: dict[str, Any], ours: dict[str, Any] | None) -> str:
    if ours is None:
        return "missing"
    if real["kind"] == "alias":
        return ""
    if real["kind"] != ours["kind"]:
        return f"is a {ours['kind']} instead of a {real['kind']}"
    return _CHECKS[real["kind"]](real, ours)


def _class_difference(real: dict[str, Any], ours: dict[str, Any]) -> str:
    lacking = sorted(set(real["bases"]) - set(ours["bases"]))
    return f"is no {', '.join(lacking)}" if lacking else ""


def _function_difference(real: dict[str, Any], ours: dict[str, Any]) -> str:
    if real["parameters"] == ours["parameters"]:
        return ""
    return f"has the parameters ({_spell(ours)}) instead of ({_spell(real)})"


def _property_difference(real: dict[str, Any], ours: dict[str, Any]) -> str:
    if real["settable"] == ours["settable"]:
        return ""
    return "can be set" if ours["settable"] else "cannot be set"


def _value_difference(real: dict[str, Any], ours: dict[str, Any]) -> str:
    return "" if real["value"] == ours["value"] else f"is {ours['value']}, not {real['value']}"


_CHECKS: Final = {
    "class": _class_difference,
    "function": _function_difference,
    "property": _property_difference,
    "value": _value_difference,
}


def _spell(function: dict[str, Any]) -> str:
    return ", ".join(
        name if default is None else f"{name}={default}"
        for name, _, default in function["parameters"]
    )


def _row(path: str, difference: str, version: str, differences: Differences) -> Row:
    reason = _passed_through(path, difference)
    if reason is not None:
        return Row(path, PASSED_THROUGH, difference, reason)
    if not difference:
        return Row(path, SAME)
    for explanation in differences.deliberate:
        if explanation.explains(path, version):
            return Row(path, DELIBERATE, difference, explanation)
    return Row(path, UNEXPLAINED, difference)


def _passed_through(path: str, difference: str) -> Explanation | None:
    """Return the reason from the package's own table, or None if the name is included."""
    _, name, *members = path.split(".")
    if members:
        found = _pattern(f"{name}.{members[0]}", MEMBERS)
        if found is not None:
            return found
    return _pattern(name, NAMES) if difference else None


def _pattern(name: str, table: dict[str, str]) -> Explanation | None:
    for pattern, reason in table.items():
        if fnmatchcase(name, pattern):
            return Explanation(pattern, reason)
    return None


def _explanations(tables: list[dict[str, Any]]) -> tuple[Explanation, ...]:
    return tuple(
        Explanation(path, table["reason"], tuple(table.get("versions", ())))
        for table in tables
        for path in table["paths"]
    )
