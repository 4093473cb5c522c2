"""What the commands write: documents, and how a meeting stands."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from speech_adapters.contract import MeetingStatus

__all__ = ["how_far", "write"]


def write(text: str, output: Path | None) -> None:
    """Write to standard output, or a file that is whole or untouched."""
    if output is None:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(output)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def how_far(status: MeetingStatus) -> str:
    """Format a status as one phrase."""
    share = "" if status.progress is None else f", {status.progress:.0%} done"
    return f"{status.state.value}{share}{f' ({status.step})' if status.step else ''}"
