"""The real package, imported only when a program uses what was not retired.

Its objects are known by the module of their class, so that no check imports it.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Final

__all__ = [
    "DISTRIBUTION",
    "SDK",
    "convert",
    "is_sdk_class",
    "is_sdk_object",
    "load",
    "version",
]

SDK: Final = "azure.cognitiveservices.speech"
DISTRIBUTION: Final = "azure-cognitiveservices-speech"
# The newest version whose interface this package has.
_NEWEST: Final = "1.53.0"


def load(submodule: str = "") -> Any:
    """Return a module of the real package, such as ``audio``, or the package itself.

    Raises:
        ImportError: it is not installed, has no such module, or was replaced.
    """
    name = f"{SDK}.{submodule}" if submodule else SDK
    try:
        found = importlib.import_module(name)
    except OSError as error:  # its native library cannot be loaded
        raise ImportError(f"the library of {DISTRIBUTION} cannot be loaded: {error}") from error
    _refuse_replacement(found, name)
    # Under `speech-compat run` the program can import it, installed or not.
    if getattr(found.__spec__, "origin", "") is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return found


def _refuse_replacement(found: ModuleType, name: str) -> None:
    # A facade in its place would call itself without an end.
    if found.__name__ != name:
        raise ImportError(
            f"sys.modules has {found.__name__} in place of {name}, so the real package cannot be"
            " used. Remove that entry: `speech-compat run` redirects imports of the program only."
        )


def version() -> str:
    """Return the version of the installed real package, or the newest one that is emulated."""
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return _NEWEST


def is_sdk_class(kind: type) -> bool:
    """Whether a class belongs to the real package."""
    return f"{kind.__module__}.".startswith(f"{SDK}.")


def is_sdk_object(value: object) -> bool:
    """Whether the class of ``value``, or a base of it, belongs to the real package."""
    return any(is_sdk_class(kind) for kind in type(value).__mro__)


def convert(value: Any) -> Any:
    """Return what the real package needs in place of an object of this one.

    Lists, tuples and dicts are converted with what they contain; anything else is returned
    as it is.

    Raises:
        ImportError: the real package cannot be imported.
        TypeError: the object has no counterpart, such as a transcriber.
        ValueError: the installed version does not have the member of an enumeration.
    """
    if hasattr(type(value), "_to_sdk"):
        return value._to_sdk()
    if type(value) in (list, tuple):
        return type(value)(convert(item) for item in value)
    if type(value) is dict:
        return {convert(key): convert(item) for key, item in value.items()}
    return value
