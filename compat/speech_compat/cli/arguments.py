"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from speech_adapters.export import FORMATS

__all__ = ["ID", "add_output", "add_verbose", "path_of", "positive"]

ID: Final = "id of a stored meeting"


def add_verbose(parser: argparse.ArgumentParser, default: int | str) -> None:
    """Add the option that shows more."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="count",
        default=default,
        help="also show what is done; twice also details",
    )


def add_output(command: argparse.ArgumentParser, formats: tuple[str, ...] = FORMATS) -> None:
    """Add the options for the format and place of a result."""
    command.add_argument(
        "--format",
        dest="output_format",
        choices=formats,
        help="format of the result (default: that of the extension of -o, or text)",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write to this file, or to one file per recording in this folder; - for standard"
        " output",
    )


def positive(text: str) -> int:
    """Return a whole number from 1.

    Raises:
        argparse.ArgumentTypeError: it is smaller.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def path_of(output: str | None) -> Path | None:
    """Return the path of an output, or ``None`` for standard output."""
    return None if output is None else Path(output)
