"""An extension of griffe: docstrings are changed to Markdown.

They refer to names, and announce a block of text, in the form of Sphinx, which the site would
show as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

__all__ = ["Roles", "markdown"]

_ROLE: Final = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`[~.]*([^`]+)`")

# A double colon before an indented block, alone in its line or after a sentence.
_BLOCK: Final = re.compile(r"(?P<before>^|\S)::\n(?=\n +)", re.MULTILINE)


def markdown(text: str) -> str:
    """Return a docstring as Markdown."""
    text = _ROLE.sub(r"`\1`", text)
    return _BLOCK.sub(lambda found: f"{found['before']}:\n" if found["before"] else "\n", text)


class Roles(griffe.Extension):
    """Changes every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object that was loaded."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
