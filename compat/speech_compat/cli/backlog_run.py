"""The commands ``backlog run`` and ``backlog retry``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from collections.abc import Iterator
from typing import Final

import anyio

from speech_adapters.backlog.items import Counts, Estimate
from speech_adapters.backlog.journal import Journal, journal_path
from speech_adapters.backlog.manifest import manifest_label
from speech_adapters.backlog.planning import examine, read_into
from speech_adapters.backlog.runner import BacklogRunner, Limits
from speech_adapters.config import Settings, load_settings
from speech_adapters.errors import ConfigurationError, SpeechError
from speech_adapters.meetings import MeetingService
from speech_adapters.transcript import seconds
from speech_compat._session.mapping.requests import log_gaps
from speech_compat.cli.backlog_names import find_journal, locked_journal, name_of
from speech_compat.cli.backlog_progress import BacklogProgress, format_duration
from speech_compat.cli.backlog_results import write_report_file
from speech_compat.cli.output import report

__all__ = ["retry", "run"]

_LANGUAGE: Final = "en-US"
_SHOW_SECONDS: Final = 0.5
_HOUR: Final = 3600


def run(options: argparse.Namespace) -> int:
    """Start a backlog, or continue it.

    Returns:
        The exit code: 0 if all is transcribed, or 1.

    Raises:
        SpeechError: the manifest cannot be used, another process runs the backlog, or an error
            concerns all recordings.
        OSError: the report cannot be written.
    """
    settings = _settings(options)
    path = journal_path(settings.state_dir, options.name or name_of(options.manifest))
    with locked_journal(settings.state_dir, path, create=True) as journal:
        language, speakers = _agreed(journal, options)
        with BacklogProgress(journal.name, options.progress) as progress:
            read_into(
                journal,
                options.manifest,
                language=language,
                speakers=speakers,
                skip_invalid=options.skip_invalid,
                on_progress=lambda lines: progress.plan(f"{lines:,} lines of the manifest read"),
            )
        return _work(journal, settings, options, f"run {shlex.quote(journal.fact('manifest'))}")


def retry(options: argparse.Namespace) -> int:
    """Try the failed recordings of a backlog again, and transcribe those that are waiting.

    Raises:
        SpeechError, OSError: as :func:`run`.
    """
    settings = _settings(options)
    path = find_journal(settings.state_dir, options.backlog)
    with locked_journal(settings.state_dir, path) as journal:
        if not options.dry_run:
            report(f"{_count(journal.retry(), 'failed recording')} will be tried again.")
        return _work(journal, settings, options, f"retry {journal.name}")


def _settings(options: argparse.Namespace) -> Settings:
    return load_settings({} if options.backend is None else {"backend": options.backend})


def _agreed(journal: Journal, options: argparse.Namespace) -> tuple[str, int | None]:
    """Return language and speakers of a backlog, which stay the same in all of its runs.

    Raises:
        ConfigurationError: the backlog was started otherwise.
    """
    label = manifest_label(options.manifest)
    known = journal.fact("manifest")
    if known and known != label:
        raise ConfigurationError(
            f"The backlog {journal.name} was started with another manifest, {known}: pass another"
            " name with --name."
        )
    language = journal.fact("language") or options.language or _LANGUAGE
    speakers = journal.fact("speakers") if known else str(options.speakers or "")
    given = (options.language or language, str(options.speakers or speakers))
    if given != (language, speakers):
        raise ConfigurationError(
            f"The backlog {journal.name} was started with --language {language}"
            + (f" --speakers {speakers}" if speakers else "")
            + ": pass the same, or another name with --name."
        )
    for name, value in {"language": language, "speakers": speakers, "manifest": label}.items():
        journal.store_fact(name, value)
    return language, int(speakers or 0) or None


def _work(journal: Journal, settings: Settings, options: argparse.Namespace, again: str) -> int:
    with BacklogProgress(journal.name, options.progress) as progress:
        examine(journal, lambda count: progress.plan(f"{count:,} recordings examined"))
    estimate = journal.estimate()
    sys.stderr.write("".join(f"{line}\n" for line in _describe(journal, estimate, options)))
    if options.dry_run:
        return 0
    if not _confirmed(estimate, options):
        report("nothing was started.")
        return 1
    try:
        if estimate.counts.unfinished:
            anyio.run(_run, journal, settings, options)
    finally:
        # Also after an interrupt, and after an error that concerns all recordings.
        counts = journal.counts()
        journal.forget()
        report(_summary(journal, counts, again))
        if options.report is not None:
            write_report_file(journal, options.report)
    return 1 if counts.failed or counts.unfinished else 0


async def _run(journal: Journal, settings: Settings, options: argparse.Namespace) -> None:
    limits = Limits(
        options.jobs, options.in_flight, options.rate, options.retries, options.fail_fast
    )
    # Storage accounts are used by more threads than the library keeps connections for, which is a
    # warning for each connection that it closes.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    # Not raised in the group of tasks, which would put it into a group of errors.
    failure: SpeechError | None = None
    async with MeetingService(settings) as meetings:
        runner = BacklogRunner(meetings, journal, limits, log_gaps)
        with BacklogProgress(journal.name, options.progress) as progress:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_show, runner, progress)
                try:
                    await runner.run()
                except SpeechError as error:
                    failure = error
                tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _show(runner: BacklogRunner, progress: BacklogProgress) -> None:
    while True:
        progress.update(runner.counts, runner.in_flight)
        await anyio.sleep(_SHOW_SECONDS)


def _describe(journal: Journal, estimate: Estimate, options: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the estimate."""
    counts, hours = estimate.counts, seconds(estimate.duration) / _HOUR
    yield f"Backlog {journal.name}: {counts.total:,} recordings in {journal.fact('manifest')}"
    length = format_duration(seconds(estimate.duration))
    yield f"  to transcribe      {counts.waiting:>9,}  {length} of audio, {_size(estimate.size)}"
    if estimate.unknown:
        yield f"  of unknown length  {estimate.unknown:>9,}  not in the estimate"
    named = {
        "in flight": counts.recorded,
        "transcribed": counts.completed,
        "duplicates": counts.duplicate,
        "failed": counts.failed,
        "invalid lines": counts.invalid,
    }
    yield from (f"  {name:<17}  {number:>9,}" for name, number in named.items() if number)
    if options.price_per_hour is not None:
        cost = hours * options.price_per_hour
        yield f"  estimated cost     {cost:>9,.2f}  {options.price_per_hour:g} for an hour of audio"


def _confirmed(estimate: Estimate, options: argparse.Namespace) -> bool:
    """Return whether to start; asks only on a terminal."""
    asks = sys.stdin.isatty() and sys.stderr.isatty()
    if options.yes or not asks or not estimate.counts.waiting:
        return True
    sys.stderr.write("Start? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _summary(journal: Journal, counts: Counts, again: str) -> str:
    parts = [f"{counts.completed:,} transcribed"]
    parts += [f"{counts.failed:,} failed"] if counts.failed else []
    nouns = {"duplicate": counts.duplicate, "invalid line": counts.invalid}
    parts += [_count(number, noun) for noun, number in nouns.items() if number]
    parts += [f"{counts.unfinished:,} not finished"] if counts.unfinished else []
    text = f"backlog {journal.name}: {', '.join(parts)}."
    if counts.unfinished:
        return f"{text} To continue: speech-compat backlog {again}"
    if counts.failed:
        text += f" To try what failed again: speech-compat backlog retry {journal.name}"
    return text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _size(size: int) -> str:
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:  # noqa: PLR2004
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.0f} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"
