"""The surface of a package: its public names, members and signatures, read without importing.

A surface is plain JSON: module -> name -> entry, where an entry is one of::

    {"kind": "class", "bases": [...], "members": {name: entry}}
    {"kind": "function", "parameters": [[name, kind, default], ...]}
    {"kind": "property", "settable": bool}
    {"kind": "value", "value": "..."}         a member of an enumeration
    {"kind": "alias", "to": "speech.SpeechConfig"}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import griffe

__all__ = ["MODULES", "Surface", "read_surface"]

Surface = dict[str, dict[str, dict[str, Any]]]

# "" is the package itself.
MODULES: Final = (
    "",
    "speech",
    "audio",
    "transcription",
    "enums",
    "properties",
    "languageconfig",
)
_SPECIAL: Final = ("__init__", "__str__")


def read_surface(folder: Path, package: str, *, inherited: bool) -> Surface:
    """Read the modules of ``package``, which lies in ``folder``.

    Args:
        folder: where the package is.
        package: its name.
        inherited: whether the entry of a class includes its inherited members and all its
            bases, and an alias is replaced by the entry of its target.
    """
    root = griffe.load(package, search_paths=[folder], resolve_aliases=True, allow_inspection=False)
    assert isinstance(root, griffe.Module)
    modules = {name: root[name] if name else root for name in MODULES}
    return {name: _module(module, package, inherited) for name, module in modules.items()}


def _module(module: Any, package: str, inherited: bool) -> dict[str, dict[str, Any]]:
    entries = {}
    for name, member in sorted(module.members.items()):
        if not name.startswith("_"):
            entry = _entry(member, package, inherited)
            if entry is not None:
                entries[name] = entry
    return entries


def _entry(member: Any, package: str, inherited: bool) -> dict[str, Any] | None:
    if member.is_alias:
        target = _target(member)
        if target is None or target.is_module or not target.path.startswith(f"{package}."):
            return None  # from the standard library or another package
        if not inherited:
            return {"kind": "alias", "to": target.path.removeprefix(f"{package}.")}
        member = target
    if member.is_class:
        return _class(member, package, inherited)
    return _function(member) if member.is_function else None


def _target(alias: Any) -> Any:
    try:
        return alias.final_target
    except griffe.AliasResolutionError:
        return None  # it is defined outside of the package


def _class(found: Any, package: str, inherited: bool) -> dict[str, Any]:
    members = found.all_members if inherited else found.members
    entries = {
        name: entry
        for name, member in sorted(members.items())
        if name in _SPECIAL or not name.startswith("_")
        if (entry := _member(member, package, inherited)) is not None
    }
    bases = {str(base).split("[")[0].rsplit(".", 1)[-1] for base in found.bases}
    if inherited:
        bases |= {base.name for base in found.mro()}
    return {"kind": "class", "bases": sorted(bases), "members": entries}


def _member(member: Any, package: str, inherited: bool) -> dict[str, Any] | None:
    if member.is_alias:  # something inherited
        member = member.final_target
    if member.is_function:
        return _function(member)
    if member.is_class:
        return _class(member, package, inherited)
    if "property" in member.labels:
        return {"kind": "property", "settable": member.setter is not None}
    return {"kind": "value", "value": str(member.value)}


def _function(function: Any) -> dict[str, Any]:
    parameters = [
        [p.name, p.kind.value if p.kind else "", None if p.default is None else str(p.default)]
        for p in function.parameters
        if p.name not in ("self", "cls")
    ]
    return {"kind": "function", "parameters": parameters}
