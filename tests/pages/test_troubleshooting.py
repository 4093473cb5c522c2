"""Every message that docs/troubleshooting.md quotes exists in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
# The first cell of a row, if it begins with code.
_ROW: Final = re.compile(r"^\| `(?P<message>[^`]+)` \|", re.MULTILINE)
_GAP: Final = "…"
MESSAGES: Final = tuple(row["message"] for row in _ROW.finditer(_PAGE))


def _texts() -> Iterator[str]:
    """Yield the texts of the code; what is filled in is written as on the page."""
    for folder in ("adapters", "compat"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else _GAP
                        for part in node.values
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


# Parts of one message may be written in several texts, joined in the code.
TEXTS: Final = "\n".join(_texts())


def quotes(message: str, texts: str) -> bool:
    """Whether one line of the texts contains the message, with anything for its gaps."""
    pattern = ".*?".join(re.escape(part) for part in message.split(_GAP))
    return re.search(pattern, texts) is not None


def test_the_page_quotes_messages() -> None:
    assert len(MESSAGES) > 30


@pytest.mark.parametrize("message", MESSAGES)
def test_every_quoted_message_is_in_the_code(message: str) -> None:
    assert quotes(message, TEXTS)


def test_a_message_that_the_code_does_not_have_is_found() -> None:
    texts = "The lock … cannot be taken: ….\nThe worker cannot be started: …."
    assert quotes("The lock … cannot be taken: …", texts)
    assert not quotes("The lock … cannot be acquired: …", texts)
    assert not quotes("The lock … cannot be started", texts)
