"""Where a secret may leak: the logs and the command lines of this process."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["COMMANDS", "everything_logged"]

# The command lines of all processes that this one has started since the import.
COMMANDS: list[str] = []


def _keep_command(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        COMMANDS.append(str(arguments))


sys.addaudithook(_keep_command)  # cannot be removed, so it is added only once


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Yield what a program writes that logs everything."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield text
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
