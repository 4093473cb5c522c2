"""The examples of a page: files, and commands with their output.

A block ``python`` that begins with ``# NAME.py`` is a file.  A block ``console`` is a session of
a shell: lines that begin with ``$`` are commands, the others their output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

import attrs

__all__ = ["Command", "examples", "is_similar"]

_BLOCK: Final = re.compile(r"^```(?P<kind>python|console)\n(?P<text>.*?)^```$", re.M | re.S)
_NAME: Final = re.compile(r"# (?P<name>\S+\.py)\n")
# The engine computes in floating point, so another processor may recognize other words.
_SIMILAR: Final = 0.8


@attrs.frozen
class Command:
    """A line of a shell, and what it writes to both outputs."""

    line: str
    output: str


def examples(page: str) -> Iterator[Command | tuple[str, str]]:
    """Yield the commands of a page and its files (name and text), in their order."""
    for block in _BLOCK.finditer(page):
        text = block["text"]
        if block["kind"] == "console":
            for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
                line, _, output = part.partition("\n")
                yield Command(line, output)
        elif named := _NAME.match(text):
            yield named["name"], text


def is_similar(shown: str, received: str) -> bool:
    """Whether an output is the one that a page shows, apart from a few words and times.

    The lines and their speakers must be the same.
    """
    words = SequenceMatcher(None, shown.split(), received.split(), autojunk=False).ratio()
    return _speakers(shown) == _speakers(received) and words >= _SIMILAR


def _speakers(text: str) -> list[list[str]]:
    return [re.findall(r"Guest[-_]\d+", line) for line in text.splitlines()]
