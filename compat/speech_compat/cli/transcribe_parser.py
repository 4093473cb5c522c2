"""The parser of the command ``transcribe``, apart from its work, which imports much more."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_compat.cli.arguments import add_output, add_verbose, positive

__all__ = ["add_transcribe"]


def add_transcribe(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("transcribe", help="transcribe audio files")
    # argparse.SUPPRESS keeps the count of a -v before the command.
    add_verbose(command, default=argparse.SUPPRESS)
    command.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio file, folder of audio files, quoted glob such as 'calls/**/*.wav', or - for"
        " standard input; for a backend that downloads audio also its https:// address, or that"
        " of a folder, ending in a slash",
    )
    command.add_argument("--backend", help="backend to use instead of the configured one")
    command.add_argument(
        "--speakers", type=positive, metavar="N", help="maximum number of speakers"
    )
    command.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="files transcribed at a time (default: the number of processors with the backend"
        " local, otherwise 1)",
    )
    command.add_argument("--language", default="en-US", help="BCP-47 tag (default: %(default)s)")
    command.add_argument(
        "--participant",
        dest="participants",
        action="append",
        default=[],
        type=Path,
        metavar="NAME.json",
        help="voice signature of a participant, who is then called NAME; repeat it for others",
    )
    command.add_argument(
        "--meeting-id", help="also store the transcript under this id (one file only)"
    )
    add_output(command)
    _add_bulk(command)
    command.set_defaults(run=_transcribe)


def _add_bulk(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--skip-existing",
        action="store_true",
        help="leave out recordings whose results exist, and so continue an interrupted command",
    )
    command.add_argument(
        "--fail-fast",
        action="store_true",
        help="end at the first recording that fails (default: transcribe the others)",
    )
    command.add_argument(
        "--embed-audio",
        action="store_true",
        help="with --format html: put the recording into the page",
    )


def _transcribe(options: argparse.Namespace) -> int:
    from speech_compat.cli.transcribe import transcribe

    return transcribe(options)
