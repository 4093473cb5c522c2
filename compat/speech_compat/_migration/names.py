"""Names of the real package: what the facade has of them."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Sequence
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from types import ModuleType
from typing import Final

import speech_compat
from speech_compat._sdk.passthrough import MEMBERS, NAMES

__all__ = ["FACADE", "MODULES", "PACKAGE", "VERSIONS", "Kind", "kind_of"]

PACKAGE: Final = "azure.cognitiveservices.speech"
FACADE: Final = "speech_compat"
# The versions that the ledger compares; other ones have the same names, or newer ones.
VERSIONS: Final = "1.28, 1.43 or 1.53"
# The modules of the real package; the first six are in the facade too.
MODULES: Final = (
    "audio", "enums", "languageconfig", "properties", "speech", "transcription",
    "diagnostics", "dialog", "intent", "translation",
)  # fmt: skip


class Kind(Enum):
    """Where a name comes from.

    INCLUDED names are those of the facade.  NOT_RETIRED ones come from the real package.  UNKNOWN
    ones are in none of the versions that the ledger compares.
    """

    INCLUDED = "included"
    NOT_RETIRED = "not retired"
    UNKNOWN = "unknown"


def kind_of(path: Sequence[str]) -> Kind:
    """Return the kind of a name, such as ``("transcription", "Meeting")``.

    Nothing is imported and no attribute read that the facade would fetch from the real package, so
    the answer does not depend on what is installed.

    Args:
        path: names below the package; one that is called ends with ``()``.  The last that
            counts is the member of a class.
    """
    found: object = speech_compat
    for part in path:
        name = part.removesuffix("()")
        if isinstance(found, ModuleType):
            if name == "__version__":
                break
            if not _is_public(found, name):
                return _listed(name, found)
            found = vars(found)[name]
        elif isinstance(found, type):
            return _member(found, name)
        else:
            break
    return Kind.INCLUDED


def _is_public(module: ModuleType, name: str) -> bool:
    """Return whether a module has a name; those of the standard library do not count."""
    # Modules of the real package also have names that they import from each other.
    public = name in module.__all__ or name in speech_compat.__all__ or name.startswith("__")
    return public and name in vars(module)


def _member(found: type, name: str) -> Kind:
    path = f"{found.__name__}.{name}"
    if any(fnmatchcase(path, pattern) for pattern in MEMBERS):
        return Kind.NOT_RETIRED
    try:
        inspect.getattr_static(found, name)
    except AttributeError:
        return Kind.UNKNOWN
    return Kind.INCLUDED


def _listed(name: str, module: ModuleType) -> Kind:
    if any(fnmatchcase(name, pattern) for pattern in NAMES):
        return Kind.NOT_RETIRED
    # Modules that the facade adds, such as those of the remote clients.
    own = module is speech_compat and name in _own_modules()
    return Kind.INCLUDED if own else Kind.UNKNOWN


@cache
def _own_modules() -> frozenset[str]:
    return frozenset(info.name for info in pkgutil.iter_modules(speech_compat.__path__))
