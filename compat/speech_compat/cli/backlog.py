"""The arguments of the command ``backlog``, apart from its work, so that ``--help`` is fast."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Final

from speech_adapters.export import FORMATS

__all__ = ["add_backlog"]

_MANIFEST: Final = (
    "CSV file, file of JSON Lines, folder of audio files, quoted glob, or https address of a"
    " container in Blob Storage with its signature"
)
_BACKLOG: Final = "its name, or the manifest that it was started with"


def add_backlog(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to a parser."""
    command = commands.add_parser(
        "backlog", help="transcribe thousands of recordings, in one run or in several"
    )
    parts = command.add_subparsers(title="parts", required=True, metavar="PART")
    run = parts.add_parser("run", help="start a backlog, or continue it")
    run.add_argument("manifest", metavar="MANIFEST", help=_MANIFEST)
    run.add_argument("--name", help="name of the backlog (default: that of the manifest)")
    run.add_argument("--language", help="BCP-47 tag of recordings that name none (default: en-US)")
    run.add_argument(
        "--speakers", type=_positive, metavar="N", help="their maximum number of speakers"
    )
    run.add_argument(
        "--skip-invalid",
        action="store_true",
        help="leave out the lines of the manifest that cannot be used; the report has them",
    )
    _add_limits(run)
    run.set_defaults(run=_run)
    retry = parts.add_parser("retry", help="try the failed recordings of a backlog again")
    retry.add_argument("backlog", metavar="BACKLOG", help=_BACKLOG)
    _add_limits(retry)
    retry.set_defaults(run=_retry)
    status = parts.add_parser("status", help="show how far a backlog is, or all of them")
    status.add_argument("backlog", nargs="?", metavar="BACKLOG", help=_BACKLOG)
    status.add_argument("--json", action="store_true", help="write a JSON document")
    status.set_defaults(run=_status)
    report = parts.add_parser("report", help="write what became of each recording")
    report.add_argument("backlog", metavar="BACKLOG", help=_BACKLOG)
    report.add_argument(
        *("-o", "--output"), type=_report_file, required=True, metavar="FILE", help=_REPORT
    )
    report.set_defaults(run=_report)
    export = parts.add_parser("export", help="write the transcripts of a backlog into a folder")
    export.add_argument("backlog", metavar="BACKLOG", help=_BACKLOG)
    export.add_argument(
        *("-o", "--output"), type=Path, required=True, metavar="FOLDER", help="the folder"
    )
    export.add_argument("--format", choices=FORMATS, default="text", help="(default: text)")
    export.set_defaults(run=_export)
    delete = parts.add_parser("delete", help="delete a backlog with all of its meetings")
    delete.add_argument("backlog", metavar="BACKLOG", help=_BACKLOG)
    delete.add_argument("-y", "--yes", action="store_true", help="do not ask")
    delete.set_defaults(run=_delete)


_REPORT: Final = "report with every failure and its reason: FILE.json or FILE.html"


def _add_limits(command: argparse.ArgumentParser) -> None:
    command.add_argument("--backend", help="backend to use instead of the configured one")
    command.add_argument(
        "--jobs",
        type=_positive,
        default=4,
        metavar="N",
        help="recordings that are uploaded or sent at a time (default: %(default)s)",
    )
    command.add_argument(
        "--in-flight",
        type=_positive,
        default=200,
        metavar="N",
        help="recordings that have begun and are not final, at most; their audio is on the disk"
        " meanwhile (default: %(default)s)",
    )
    command.add_argument(
        "--rate", type=_amount, default=0.0, metavar="N", help="recordings that begin in a minute"
    )
    command.add_argument(
        "--retries",
        type=_count,
        default=0,
        metavar="N",
        help="how often a recording that failed is tried again (default: %(default)s)",
    )
    command.add_argument(
        "--fail-fast",
        action="store_true",
        help="end at the first recording that fails (default: transcribe the others)",
    )
    command.add_argument(
        "--price-per-hour",
        type=_amount,
        metavar="PRICE",
        help="what an hour of audio costs, to estimate the cost before the start",
    )
    command.add_argument("--dry-run", action="store_true", help="only show the estimate")
    command.add_argument("-y", "--yes", action="store_true", help="start without a question")
    command.add_argument(
        "--progress",
        type=_amount,
        default=60.0,
        metavar="SECONDS",
        help="time between two lines of progress if there is no terminal; 0 for none (default: 60)",
    )
    command.add_argument(
        "--report", type=_report_file, metavar="FILE", help=f"at the end, write a {_REPORT}"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _amount(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _report_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".json", ".html"):
        raise argparse.ArgumentTypeError("must end with .json or .html")
    return path


def _run(options: argparse.Namespace) -> int:
    from speech_compat.cli.backlog_run import run

    return run(options)


def _retry(options: argparse.Namespace) -> int:
    from speech_compat.cli.backlog_run import retry

    return retry(options)


def _status(options: argparse.Namespace) -> int:
    from speech_compat.cli.backlog_results import status

    return status(options)


def _report(options: argparse.Namespace) -> int:
    from speech_compat.cli.backlog_results import report_to

    return report_to(options)


def _export(options: argparse.Namespace) -> int:
    from speech_compat.cli.backlog_results import export

    return export(options)


def _delete(options: argparse.Namespace) -> int:
    from speech_compat.cli.backlog_results import delete

    return delete(options)
