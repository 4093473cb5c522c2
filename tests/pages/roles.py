"""An extension of griffe: references in docstrings become code.

The docstrings refer to names in the form of Sphinx, which the site would show as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

__all__ = ["ROLE", "Roles"]

ROLE: Final = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`[~.]*([^`]+)`")


class Roles(griffe.Extension):
    """Replace ``:class:`Name``` in every docstring by ``Name``."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that was loaded."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(r"`\1`", obj.docstring.value)
