"""Refuses a Python that is too old, before its syntax errors do.

Only a checkout reaches this: an installer refuses such a Python by itself.  Python 3.7 and newer
can read this file and all lines that run before it.
"""

from __future__ import annotations

import sys

__all__: list[str] = []

if sys.version_info < (3, 11):  # noqa: UP036
    message = (
        "speech-compat needs Python 3.11 or newer; this is Python"
        f" {'.'.join(map(str, sys.version_info[:3]))}."
    )
    # "-m" is the name of the program while ``python -m speech_compat`` imports the package.  There
    # the sentence is enough, while a program needs the traceback to its import.
    raise SystemExit(message) if sys.argv[:1] == ["-m"] else ImportError(message)
