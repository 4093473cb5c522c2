"""The command ``transcribe``; see :mod:`speech_compat.cli`."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import anyio

from speech_adapters import threads
from speech_adapters.config import Settings, load_settings
from speech_adapters.export import SUFFIXES, format_of
from speech_adapters.meetings import MeetingService
from speech_compat.cli.bulk import BulkRun, Item, State
from speech_compat.cli.display import open_display
from speech_compat.cli.output import report, write
from speech_compat.cli.sources import Source, expand, is_glob, read_standard_input
from speech_compat.cli.targets import assign_targets

__all__ = ["transcribe"]

_WRONG_USAGE: Final = 2
# With fewer recordings every line is still in view, so nothing has to be summed up.
_SUMMARY_FROM: Final = 10


def transcribe(options: argparse.Namespace) -> int:
    """Transcribe recordings, several at a time; results before an error are written.

    Returns:
        The exit code: 0, 1 if one of several recordings failed, 2 for wrong usage, or 3 if a
        file was truncated.

    Raises:
        SpeechError: the only recording could not be transcribed, or none can be.
        OSError: the output could not be written.
    """
    sources, notes = expand(options.files)
    folder = _folder(options)
    if problem := next(_usage_problems(options, sources, folder), ""):
        report(problem)
        return _WRONG_USAGE
    properties = {} if options.backend is None else {"backend": options.backend}
    settings = load_settings(properties)
    for note in notes:
        report(note)
    with read_standard_input(sources) as readable:
        items = _items(readable, folder, options)
        return _run(items, settings, options)


def _folder(options: argparse.Namespace) -> Path | None:
    """Return the folder that gets a file for each recording, if ``-o`` names one."""
    if options.output in (None, "-"):
        return None
    path = Path(options.output)
    if path.is_dir() or options.output.endswith(("/", os.sep)):
        return path
    # A file has an extension; existing files and devices are none that could become a folder.
    named = format_of(path) is not None or path.exists()
    searched = any(Path(argument).is_dir() or is_glob(argument) for argument in options.files)
    return path if searched and not named else None


def _usage_problems(
    options: argparse.Namespace, sources: Sequence[Source], folder: Path | None
) -> Iterator[str]:
    """Yield each reason why the options do not fit the recordings."""
    several = len(sources) > 1
    output = None if options.output in (None, "-") else Path(options.output)
    if options.meeting_id is not None and several:
        yield "--meeting-id names one meeting: pass a single file."
    if several and folder is None and options.format not in ("text", "rttm"):
        yield (
            f"A document of the format {options.format} holds one transcript: pass a single file,"
            " or a folder with -o, such as -o results/."
        )
    if options.skip_existing and (output is None or (several and folder is None)):
        yield "--skip-existing needs a file for each recording: name a folder with -o."
    if options.embed_audio and options.format != "html":
        yield "--embed-audio is for --format html: other documents cannot contain audio."
    if options.embed_audio and any(source.address is not None for source in sources):
        yield "--embed-audio needs a file: the audio at an address is read by the service only."
    if output is not None and any(_is_same(output, source.path) for source in sources):
        yield f"The output {output} would replace the recording: choose another name with -o."


def _is_same(output: Path, recording: Path | None) -> bool:
    try:
        return recording is not None and output.is_file() and output.samefile(recording)
    except OSError:
        return False


def _items(
    sources: Sequence[Source], folder: Path | None, options: argparse.Namespace
) -> list[Item]:
    """Return the recordings with the files of their results; existing ones may be skipped."""
    items = [Item(source) for source in sources]
    if folder is not None:
        # An argument that names no recording has no result, and takes no name from others.
        named = [item for item in items if not item.source.problem]
        suffix = SUFFIXES[options.format]
        targets = assign_targets([item.source for item in named], folder, suffix)
        for item, target in zip(named, targets, strict=True):
            item.target = target
    elif options.skip_existing:
        items[0].target = Path(options.output)
    for item in items:
        if options.skip_existing and item.target is not None and item.target.is_file():
            item.state = State.SKIPPED
    return items


def _run(items: list[Item], settings: Settings, options: argparse.Namespace) -> int:
    run = BulkRun(items, options, streams=options.output in (None, "-"))
    try:
        # Nothing is opened if nothing is left to do.
        if any(item.state is State.WAITING for item in items):
            anyio.run(_run_all, run, items, settings, options)
    except KeyboardInterrupt:
        _report_interrupt(items, options)
        raise
    finally:
        # Also after an interrupt.
        run.print_rest()
        document = run.join_documents()
        if document is not None:
            write(document, Path(options.output))
    if len(items) == 1 and items[0].error is not None:
        raise items[0].error
    _summarize(items, options)
    failed = any(item.state in (State.FAILED, State.WAITING) for item in items)
    return 1 if failed else max((item.code for item in items), default=0)


async def _run_all(
    run: BulkRun, items: list[Item], settings: Settings, options: argparse.Namespace
) -> None:
    async with MeetingService(settings) as meetings:
        backend = await threads.COMPUTE.run(meetings.backend)
        # A service may limit the requests at a time, and charges for them.
        cores = (os.cpu_count() or 1) if getattr(backend, "offline", False) else 1
        weights = [item.source.weight for item in items if item.state is State.WAITING]
        await run.run(meetings, options.jobs or cores, open_display(weights))


def _summarize(items: Sequence[Item], options: argparse.Namespace) -> None:
    if len(items) < _SUMMARY_FROM and not (options.skip_existing or options.fail_fast):
        return
    report(_counts(items) + ".")


def _report_interrupt(items: Sequence[Item], options: argparse.Namespace) -> None:
    if len(items) > 1 and any(item.target is not None for item in items):
        option = "" if options.skip_existing else " with --skip-existing"
        report(f"{_counts(items)}. To continue, repeat the command{option}.")


def _counts(items: Sequence[Item]) -> str:
    """Return how many recordings have each state: ``295 transcribed, 5 failed``."""
    count = Counter(item.state for item in items)
    words = {
        State.DONE: "transcribed",
        State.SKIPPED: "skipped, since their results exist",
        State.FAILED: "failed",
        State.WAITING: "not finished",
    }
    shown = [f"{count[s]} {word}" for s, word in words.items() if count[s] or s is State.DONE]
    return f"{len(items)} recordings: " + ", ".join(shown)
