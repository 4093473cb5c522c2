"""The parser of the command ``compare``, apart from its work, so that ``--help`` is fast."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from speech_adapters.reading import FORMATS

__all__ = ["add_compare"]


def add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    command = commands.add_parser("compare", help="compare two transcripts of one meeting")
    command.add_argument(
        "reference",
        nargs="?",
        metavar="REFERENCE",
        help="the transcript that counts as right: a file, or the id of a stored meeting",
    )
    command.add_argument(
        "candidate", nargs="?", metavar="CANDIDATE", help="the transcript to score, likewise"
    )
    command.add_argument(
        "--shadow",
        metavar="MEETING_ID",
        help="instead: compare a meeting of the backend shadow with its second transcript",
    )
    for side in ("reference", "candidate"):
        command.add_argument(
            f"--{side}-format", choices=FORMATS, default="", help="(default: that of the content)"
        )
    command.add_argument(
        "--recording",
        metavar="NAME",
        default="",
        help="which recording of an RTTM or STM file that has several",
    )
    command.add_argument(
        "--collar",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="time around each boundary of the reference that does not count for DER, on each"
        " side (default: 0)",
    )
    command.add_argument(
        "--no-normalize",
        action="store_true",
        help="compare words as they are written, with case and punctuation",
    )
    command.add_argument("--differences", action="store_true", help="also print what differs")
    command.add_argument("--json", action="store_true", help="write a JSON object")
    command.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with both transcripts side by side"
    )
    for metric in ("wer", "cpwer", "der"):
        command.add_argument(
            f"--max-{metric}",
            type=_limit,
            metavar="RATE",
            help="exit with 4 if it is larger, such as 15%% or 0.15",
        )
    command.set_defaults(run=_compare)


def _seconds(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _limit(text: str) -> float:
    """Read a rate; a number above 1 without a percent sign is more likely a mistake."""
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%")) / (100 if percent else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= (math.inf if percent else 1) or math.isinf(value):
        raise argparse.ArgumentTypeError("must be a rate such as 15% or 0.15")
    return value


def _compare(options: argparse.Namespace) -> int:
    from speech_compat.cli.compare import compare_transcripts

    return compare_transcripts(options)
