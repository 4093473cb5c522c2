"""The command ``compare``: error rates of a transcript against another one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from speech_adapters.comparison import (
    Comparison,
    compare,
    comparison_document,
    format_report,
    line_up,
    render_comparison,
)
from speech_adapters.comparison.comparing import METRICS
from speech_adapters.errors import ConfigurationError, MeetingNotFoundError
from speech_adapters.meetings import MeetingService
from speech_adapters.reading.document import Document
from speech_adapters.reading.reader import read_document
from speech_adapters.shadows import shadow_id
from speech_adapters.transcript import replace_surrogates
from speech_compat.cli.output import format_status, report, write
from speech_compat.cli.service import with_service

__all__ = ["compare_transcripts"]

_TOO_LARGE: Final = 4
_USAGE: Final = 2


def compare_transcripts(options: argparse.Namespace) -> int:
    """Compare two transcripts and write the figures to standard output.

    Returns:
        The exit code: 0, 2 for wrong usage, or 4 if a rate is larger than its limit.

    Raises:
        SpeechError: a transcript cannot be read, or a limited metric cannot be computed.
    """
    names = _names(options)
    if names is None:
        report("compare needs REFERENCE and CANDIDATE, or --shadow MEETING_ID.")
        return _USAGE
    formats = (options.reference_format, options.candidate_format)
    # With --shadow both are stored, whatever files are called like them.
    reference, candidate = (
        _document(name, format_name, options.recording, stored=bool(options.shadow))
        for name, format_name in zip(names, formats, strict=True)
    )
    found = compare(
        reference, candidate, collar=options.collar, normalized=not options.no_normalize
    )
    rows = line_up(reference, candidate, found) if options.html or options.differences else []
    if options.html:
        write(replace_surrogates(render_comparison(found, rows)), options.html)
    if options.json:
        text = json.dumps(comparison_document(found), ensure_ascii=False, indent=2)
        write(replace_surrogates(text) + "\n", None)
    else:
        write(format_report(found, rows if options.differences else ()), None)
    return _exit_code(found, options)


def _names(options: argparse.Namespace) -> tuple[str, str] | None:
    if options.shadow:
        return None if options.reference else (options.shadow, shadow_id(options.shadow))
    return (options.reference, options.candidate) if options.candidate else None


def _document(name: str, format_name: str, recording: str, *, stored: bool) -> Document:
    path = Path(name)
    if not stored and (path.is_file() or format_name):
        return read_document(path, format_name, recording)
    try:
        return with_service(lambda meetings: _stored(meetings, name))
    except MeetingNotFoundError as error:
        hint = (
            "Its second transcript is missing: see docs/parity.md"
            if stored
            else "There is no such file, either"
        )
        raise MeetingNotFoundError(f"{error} {hint}.") from None


async def _stored(meetings: MeetingService, meeting_id: str) -> Document:
    """Return the transcript of a stored meeting.

    Raises:
        ConfigurationError: it has none yet.
        SpeechError: it has failed, or there is no such meeting.
    """
    status = await meetings.status(meeting_id)
    if not status.state.final:
        raise ConfigurationError(
            f"Meeting {meeting_id!r} has no transcript yet: {format_status(status)}. Repeat the"
            " command later."
        )
    return Document(await meetings.transcript(meeting_id), "stored")


def _exit_code(found: Comparison, options: argparse.Namespace) -> int:
    code = 0
    for metric in METRICS:
        limit: float | None = getattr(options, f"max_{metric}")
        if limit is None:
            continue
        rate = found.rate(metric)
        if rate is None:
            raise ConfigurationError(
                f"--max-{metric} cannot be checked, since {metric} is not computed:"
                f" {found.missing[metric]}."
            )
        if rate > limit:
            sys.stderr.write(f"speech-compat: {metric} is {rate:.2%}, more than {limit:.2%}.\n")
            code = _TOO_LARGE
    return code
