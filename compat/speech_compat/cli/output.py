"""Output of the commands: documents, and a meeting's status as text."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
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


def write(text: str | Iterable[str], output: Path | None, *, private: bool = False) -> None:
    """Write to standard output, or replace a file as a whole.

    A file that is replaced keeps its permissions, and a link is followed.  A FIFO or device is
    written to as it is.

    Args:
        text: what to write, or its parts, which may be read from a file as they are written.
        output: the file; ``None`` or ``-`` for standard output.
        private: whether only the owner may read the file.

    Raises:
        OSError: the file cannot be written; it is unchanged then.
    """
    parts = [text] if isinstance(text, str) else text
    if output is None or output == Path("-"):
        _write_to_standard_output(parts)
        return
    try:
        status = output.stat()
    except OSError:
        status = None  # no such file yet; any other error is that of its creation
    if status is None or stat.S_ISREG(status.st_mode):
        # /dev/stdout that is redirected to a file: replaced, the file would lose the rest.
        if status is not None and _is_standard_output(status):
            _write_to_standard_output(parts)
            return
        mode = None if status is None else stat.S_IMODE(status.st_mode)
        _replace(parts, output, 0o600 if private else mode)
        return
    with output.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)


def _write_to_standard_output(parts: Iterable[str]) -> None:
    # A terminal that lacks a character shows its code instead of failing.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout.writelines(parts)
    sys.stdout.flush()


def _is_standard_output(status: os.stat_result) -> bool:
    try:
        return os.path.samestat(status, os.fstat(1))
    except OSError:  # standard output is closed
        return False


def _replace(parts: Iterable[str], output: Path, mode: int | None) -> None:
    """Write a new file and rename it; ``mode`` is by default what the umask leaves."""
    import secrets  # imports a lot, and only this needs it

    target = Path(os.path.realpath(output))
    # In the same folder, so that replacing is a rename within one file system.
    temporary = target.with_name(f".speech-compat-{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(temporary, flags, 0o666 if mode is None else 0o600)
    except OSError as error:
        # The error names the temporary file, which means nothing to the user.
        raise OSError(error.errno, error.strerror, str(output)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(parts)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def format_status(status: MeetingStatus) -> str:
    """Return a status as one phrase: ``Processing, 40% done (uploading)``."""
    share = "" if status.progress is None else f", {status.progress:.0%} done"
    step = f" ({status.step})" if status.step else ""
    return mask(f"{status.state.value}{share}{step}")
