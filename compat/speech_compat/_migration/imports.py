"""Which imports of the real package can be changed, and to what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from speech_compat._migration.names import FACADE, PACKAGE, VERSIONS, Kind, kind_of

__all__ = ["import_change", "import_from_change", "is_package", "submodule"]

_PARENT: Final = PACKAGE.rpartition(".")[0]
_NAME: Final = PACKAGE.rpartition(".")[2]

# A change, or the reason why it is left to the reader.
Change = tuple[str, str]


def is_package(module: str) -> bool:
    """Return whether a module is the real package or in it."""
    return f"{module}.".startswith(f"{PACKAGE}.")


def submodule(module: str) -> tuple[str, ...]:
    """Return the parts of a module's name below the real package."""
    return tuple(module.removeprefix(PACKAGE).split(".")[1:])


def import_change(module: str, name: str | None) -> Change | None:
    """Return what to do with ``import module as name``.

    Returns:
        The new module and an empty text, or an empty text and the reason to leave it; ``None``
        if it imports something else.
    """
    if module == _PARENT and name:
        return "", f"it imports the package above; import {FACADE} instead"
    if not is_package(module):
        return None
    if name is None:
        return "", (
            f"the program uses the name {module!r}; import it with a name of its own, such as"
            f" 'import {FACADE} as speechsdk', and use that"
        )
    if kind_of(submodule(module)) is Kind.UNKNOWN:
        return "", f"{FACADE} has no module for {module!r}"
    return FACADE + module.removeprefix(PACKAGE), ""


def import_from_change(
    module: str, names: Sequence[str], used: Collection[str] = ()
) -> Change | None:
    """Return what to do with ``from module import names``.

    Args:
        module: the module.
        names: what it imports, without the names it gets.
        used: for a star import, the names of the real package that the file uses.

    Returns:
        As :func:`import_change`.  ``from azure.cognitiveservices import speech`` becomes an
        ``import``, for which the new module is the facade.
    """
    if module == _PARENT and _NAME in names:
        if len(names) > 1:
            return "", f"it imports several packages; import {FACADE} in a line of its own"
        return FACADE, ""
    if module == _PARENT.rpartition(".")[0] and _PARENT.rpartition(".")[2] in names:
        return "", f"it imports the package above; import {FACADE} instead"
    if not is_package(module):
        return None
    path = submodule(module)
    if kind_of(path) is Kind.UNKNOWN:
        return "", f"{FACADE} has no module for {module!r}"
    return _names_change(module, path, names, used)


def _names_change(
    module: str, path: tuple[str, ...], names: Sequence[str], used: Collection[str]
) -> Change:
    if "*" in names:
        outside = sorted(n for n in used if kind_of((*path, n)) is Kind.NOT_RETIRED)
        if outside:
            return "", f"'*' does not include {', '.join(outside)}: import the names one by one"
    elif unknown := [n for n in names if kind_of((*path, n)) is Kind.UNKNOWN]:
        return "", f"version {VERSIONS} of the real package does not have {', '.join(unknown)}"
    return FACADE + module.removeprefix(PACKAGE), ""
