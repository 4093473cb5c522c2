"""The commands ``backlog status``, ``report``, ``export`` and ``delete``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from anyio.to_thread import run_sync

from speech_adapters.backlog.items import Item
from speech_adapters.backlog.journal import Journal, journal_names, journal_path, lock_backlog
from speech_adapters.backlog.page import write_page
from speech_adapters.backlog.report import status_document, write_report
from speech_adapters.backlog.runner import meeting_prefix
from speech_adapters.backlog.targets import assign_targets
from speech_adapters.config import load_settings
from speech_adapters.contract import JobState
from speech_adapters.errors import MeetingBusyError, SpeechError
from speech_adapters.export import SUFFIXES
from speech_adapters.export import write as write_document
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Store
from speech_adapters.transcript import replace_surrogates
from speech_compat.cli.backlog_names import find_journal, locked_journal
from speech_compat.cli.output import reason_of, report, write
from speech_compat.cli.service import with_service

__all__ = ["delete", "export", "report_to", "status", "write_report_file"]

_PAGE = 100


def status(options: argparse.Namespace) -> int:
    """Show the numbers of one backlog, or a line for each.

    Raises:
        ConfigurationError: there is no such backlog.
        StoreError: its journal cannot be read.
    """
    folder = load_settings().state_dir
    if options.backlog is None:
        paths = [journal_path(folder, name) for name in journal_names(folder)]
    else:
        paths = [find_journal(folder, options.backlog)]
    documents = []
    for path in paths:
        with Journal(path) as journal:
            documents.append({**status_document(journal), "running": _is_running(folder, path)})
    if options.json:
        found = documents if options.backlog is None else documents[0]
        write(replace_surrogates(json.dumps(found, ensure_ascii=False, indent=2)) + "\n", None)
        return 0
    for document in documents:
        write(_status_line(document) + "\n", None)
    if not documents:
        report("there is no backlog.")
    return 0


def _is_running(folder: Path, path: Path) -> bool:
    try:
        lock_backlog(folder, path.stem).release()
    except MeetingBusyError:
        return True
    return False


def _status_line(document: dict[str, object]) -> str:
    counts = document["counts"]
    assert isinstance(counts, dict)
    names = {"recorded": "in flight", "completed": "transcribed"}
    parts = [f"{number:,} {names.get(name, name)}" for name, number in counts.items() if number]
    running = ", running" if document["running"] else ""
    return f"{document['name']}{running}: {', '.join(parts) or 'empty'}"


def report_to(options: argparse.Namespace) -> int:
    """Write the report of a backlog.

    Raises:
        ConfigurationError: there is no such backlog.
        OSError: the file cannot be written.
    """
    with Journal(find_journal(load_settings().state_dir, options.backlog)) as journal:
        write_report_file(journal, options.output)
    return 0


def write_report_file(journal: Journal, path: Path) -> None:
    """Write the report in the format of the file's extension.

    Raises:
        OSError: the file cannot be written.
    """
    html = path.suffix.lower() == ".html"
    write(map(replace_surrogates, (write_page if html else write_report)(journal)), path)


def export(options: argparse.Namespace) -> int:
    """Write a file for each transcript; those that exist are left as they are.

    Returns:
        The exit code: 1 if a transcript could not be written.

    Raises:
        ConfigurationError: there is no such backlog.
        StoreError: the journal cannot be read.
    """
    path = find_journal(load_settings().state_dir, options.backlog)

    async def work(meetings: MeetingService) -> dict[str, int]:
        counts = {"written": 0, "existed": 0, "failed": 0}
        targets = assign_targets(journal, options.output, SUFFIXES[options.format])
        for item, target in targets:
            counts[await _export_one(meetings, journal, item, target, options.format)] += 1
        return counts

    with Journal(path) as journal:
        counts = with_service(work)
    parts = [f"{number:,} {name}" for name, number in counts.items() if number or name == "written"]
    report(f"{options.output}: {', '.join(parts)}.")
    return 1 if counts["failed"] else 0


async def _export_one(
    meetings: MeetingService, journal: Journal, item: Item, target: Path, format_name: str
) -> str:
    if target.exists():
        return "existed"
    try:
        transcript = await meetings.stream(meeting_prefix(journal.name) + item.key)
        parts = write_document(transcript, format_name)
        await run_sync(lambda: target.parent.mkdir(parents=True, exist_ok=True))
        await run_sync(write, parts, target)
    except (SpeechError, OSError) as error:
        report(f"{item.source}: {reason_of(error)}")
        return "failed"
    return "written"


def delete(options: argparse.Namespace) -> int:
    """Delete the meetings of a backlog, here and at their services, and then its journal.

    Returns:
        The exit code: 1 if a meeting could not be deleted; the journal is kept then.

    Raises:
        SpeechError: there is no such backlog, or another process runs it.
    """
    folder = load_settings().state_dir
    with locked_journal(folder, find_journal(folder, options.backlog)) as journal:
        if not _confirmed(journal, options):
            return 0
        deleted, failed = with_service(lambda meetings: _delete_meetings(meetings, journal))
        if not failed:
            journal.delete()
    report(f"backlog {journal.name}: {deleted:,} meetings deleted.")
    return 1 if failed else 0


def _confirmed(journal: Journal, options: argparse.Namespace) -> bool:
    if options.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    count = journal.counts().completed
    sys.stderr.write(f"Delete the backlog {journal.name} with {count:,} transcripts? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


async def _delete_meetings(meetings: MeetingService, journal: Journal) -> tuple[int, int]:
    """Delete what the store has of a backlog; return how many, and how many could not be."""
    prefix, after, deleted, failed = meeting_prefix(journal.name), 0, 0, 0
    while page := journal.page(None, after, _PAGE):
        after = page[-1].number
        ids = list(dict.fromkeys(prefix + item.key for item in page if item.key))
        # A meeting that is not here would be looked up at the service.
        for outcome in await meetings.store.run(Store.outcomes, ids):
            if outcome.state is JobState.DELETED:
                continue
            try:
                await meetings.delete(outcome.meeting_id)
                deleted += 1
            except SpeechError as error:
                report(f"{outcome.meeting_id}: {error}")
                failed += 1
    return deleted, failed
