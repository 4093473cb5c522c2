"""The parsers of ``enroll``, ``record`` and ``demo``, apart from their work."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_compat.cli.arguments import positive

__all__ = ["add_demo", "add_enroll", "add_record"]


def add_enroll(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "enroll", help="create a voice signature, by which a participant is named in results"
    )
    command.add_argument(
        "name", type=_file_name, metavar="NAME", help="the participant; writes NAME.json"
    )
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="WAV file in which only this person speaks, half a minute or more",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write to this file or folder instead; - for standard output",
    )
    command.set_defaults(run=_enroll)


def add_record(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "record", help="record a script for the backend replay, for tests without an engine"
    )
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", type=Path, metavar="FILE", help="WAV file")
    source.add_argument("--meeting", metavar="MEETING_ID", help="a stored meeting instead")
    command.add_argument("--backend", help="backend to use instead of the configured one")
    command.add_argument("--language", default="en-US", help="BCP-47 tag (default: %(default)s)")
    command.add_argument(
        "--speakers", type=positive, metavar="N", help="maximum number of speakers"
    )
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="SCRIPT.jsonl", help="the script"
    )
    command.set_defaults(run=_record)


def add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("demo", help="run a legacy program on a two-speaker recording")
    command.set_defaults(run=_demo)


def _file_name(text: str) -> str:
    # Only the name of a file: an id such as "../x" must not choose another folder.
    if text in ("", "..") or Path(text).name != text:
        raise argparse.ArgumentTypeError("must not be empty or contain a slash; use -o for a path")
    return text


def _enroll(options: argparse.Namespace) -> int:
    from speech_compat.cli.enroll import enroll

    return enroll(options.name, options.files, options.output)


def _record(options: argparse.Namespace) -> int:
    from speech_compat.cli.record import record

    return record(options)


def _demo(_: argparse.Namespace) -> int:
    from speech_compat.cli.demo import demo

    return demo()
