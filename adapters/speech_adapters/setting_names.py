"""Names of settings: dotted in programs and messages, upper case in the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["PREFIX", "closest", "environment_name", "with_environment_names"]

PREFIX: Final = "SPEECH_COMPAT_"
# How messages name a setting: dotted, or without a dot after one of two phrases.  A gap advises
# "another backend", which is a setting too.
_NAMED: Final = re.compile(
    r"\b(?P<dotted>backends\.[a-z_]+\.[a-z_]+|gateway\.(?!md\b)[a-z_]+|service\.(?:key|region|endpoint)"
    r"|dask\.(?:scheduler|connect_seconds|tls_[a-z_]+))\b"
    r'|(?:setting|set) "(?P<plain>[a-z_]+)"|\banother (?P<advised>backend)\b'
)


def environment_name(name: str) -> str:
    """Return the environment variable of a setting: ``SPEECH_COMPAT_BACKENDS__LOCAL__DEVICE``."""
    return PREFIX + name.upper().replace(".", "__")


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``; the closest is 'x'`` with the known name that is most similar, or nothing."""
    # Imported late, because every program imports this module.
    from difflib import get_close_matches

    found = get_close_matches(name, list(known), n=1)
    return f"; the closest is {found[0]!r}" if found else ""


def with_environment_names(message: str) -> str:
    """Return a message with the environment variable of each setting that it names.

    Variables that it names already are not repeated, since an error may quote another one.
    """
    names = (
        found["dotted"] or found["plain"] or found["advised"] for found in _NAMED.finditer(message)
    )
    missing = [name for name in map(environment_name, dict.fromkeys(names)) if name not in message]
    return f"{message} In the environment: {', '.join(missing)}." if missing else message
