"""The command ``enroll``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

from pathlib import Path

import anyio

from speech_adapters.config import load_settings
from speech_adapters.enrollment import Enrollment
from speech_adapters.enrollment import enroll as create
from speech_adapters.meetings import MeetingService
from speech_compat.cli.output import report, write

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

    async def work() -> Enrollment:
        async with MeetingService(load_settings()) as meetings:
            return await create(meetings, files)

    enrollment = anyio.run(work)
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
