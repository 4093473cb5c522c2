"""The command ``enroll``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

from pathlib import Path

from speech_adapters.enrollment import enroll as create
from speech_compat.cli.output import report, write
from speech_compat.cli.service import with_service

__all__ = ["enroll"]


def enroll(name: str, files: list[Path], output: Path | None) -> int:
    """Create a voice signature and write it to a file that only its owner may read.

    Args:
        name: what the file is called, without ``.json``.
        files: WAV files of one person.
        output: the file, or its folder, instead; ``-`` for standard output.

    Raises:
        SpeechError: a recording cannot be used.
        OSError: the file cannot be written.
    """
    enrollment = with_service(lambda meetings: create(meetings, files))
    for warning in enrollment.warnings:
        report(warning)
    document = enrollment.signature.dump() + "\n"
    if output == Path("-"):
        write(document, None)
        return 0
    target = Path(f"{name}.json") if output is None else output
    if target.is_dir():
        target /= f"{name}.json"
    write(document, target, private=True)
    report(
        f"{target} is the voice signature: biometric data, which only you can read. Pass its text"
        " to Participant, and delete the file when it is not needed any more."
    )
    return 0
