"""Output of the commands: documents, and a meeting's status as text."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from speech_adapters.contract import MeetingStatus
from speech_adapters.errors import SpeechError
from speech_adapters.masking import mask

__all__ = ["format_status", "reason_of", "report", "write"]


def report(message: str) -> None:
    """Write a message to standard error, masked: it may quote a service or a file's name."""
    sys.stderr.write(f"speech-compat: {mask(message)}\n")


def reason_of(error: SpeechError | OSError) -> str:
    """Return an error as one or more sentences."""
    if isinstance(error, OSError):
        return f"{error.filename or 'The output'}: {error.strerror or error}."
    return str(error)


def write(text: str, output: Path | None, *, private: bool = False) -> None:
    """Write to standard output, or replace a file as a whole.

    Args:
        text: what to write.
        output: the file; ``None`` for standard output.
        private: whether only the owner may read the file.

    Raises:
        OSError: the file cannot be written; it is unchanged then.
    """
    if output is None:
        # A terminal that lacks a character shows its code instead of failing.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        # In the same folder, so that replacing is a rename within one file system.
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        # The error names the temporary file, which means nothing to the user.
        raise OSError(error.errno, error.strerror, str(output)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        if not private:
            Path(name).chmod(0o644)  # mkstemp creates files that only the owner may read
        Path(name).replace(output)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def format_status(status: MeetingStatus) -> str:
    """Return a status as one phrase: ``Processing, 40% done (uploading)``."""
    share = "" if status.progress is None else f", {status.progress:.0%} done"
    step = f" ({status.step})" if status.step else ""
    return mask(f"{status.state.value}{share}{step}")
