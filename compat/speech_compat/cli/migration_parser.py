"""The arguments of the commands ``scan`` and ``migrate``."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_migrate", "add_scan"]


def add_scan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    scan = commands.add_parser("scan", help="find legacy programs, and what is left to change")
    _add_paths(scan)
    scan.add_argument(
        "--format",
        choices=["text", "json", "sarif"],
        default="text",
        help="(default: %(default)s)",
    )
    scan.add_argument(
        "--fail-on",
        choices=["change", "decide", "never"],
        default="change",
        help="exit with 1 if something is left to change, or also to decide (default: %(default)s)",
    )
    scan.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to this file")
    scan.set_defaults(run=_scan)


def add_migrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    migrate = commands.add_parser(
        "migrate", help="change the imports of legacy programs, and show the difference"
    )
    _add_paths(migrate)
    migrate.add_argument(
        "--write", action="store_true", help="change the files (default: only show how)"
    )
    migrate.add_argument(
        "--force",
        action="store_true",
        help="also change files that git could not restore",
    )
    migrate.set_defaults(run=_migrate)


def _add_paths(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="file or folder; of a folder, all Python files and notebooks in it",
    )
    command.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out files and folders with this name or path below PATH; repeat it for others",
    )


def _scan(options: argparse.Namespace) -> int:
    from speech_compat.cli.scan import scan

    return scan(options)


def _migrate(options: argparse.Namespace) -> int:
    from speech_compat.cli.migrate import migrate

    return migrate(options)
