"""The parsers of ``show``, ``convert``, ``delete`` and ``resume``, apart from their work."""

from __future__ import annotations

import argparse
from pathlib import Path

from speech_adapters.export import FORMATS
from speech_compat.cli.arguments import ID, add_output, path_of

__all__ = ["add_convert", "add_delete", "add_resume", "add_show"]


def add_show(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("show", help="show the transcript of a stored meeting")
    command.add_argument("meeting_id", metavar="MEETING_ID", help=ID)
    add_output(command)
    command.set_defaults(run=_show)


def add_convert(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser(
        "convert", help="convert a result file of Azure's batch or fast transcription"
    )
    command.add_argument("result", type=Path, metavar="RESULT.json", help="the result file")
    add_output(command, (*FORMATS, "legacy"))
    command.set_defaults(run=_convert)


def add_delete(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("delete", help="delete stored meetings: audio and transcripts")
    command.add_argument("meeting_id", nargs="+", metavar="MEETING_ID", help=ID)
    command.set_defaults(run=_delete)


def add_resume(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("resume", help="retry a failed meeting")
    command.add_argument("meeting_id", metavar="MEETING_ID", help=ID)
    command.set_defaults(run=_resume)


def _show(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import show

    return show(options.meeting_id, options.format, path_of(options.output))


def _convert(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import convert

    return convert(options.result, options.format, path_of(options.output))


def _delete(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import delete

    return delete(options.meeting_id)


def _resume(options: argparse.Namespace) -> int:
    from speech_compat.cli.meetings import resume

    return resume(options.meeting_id)
