"""The transcription of many recordings, several at a time.

::

    WAITING ──▶ DONE | FAILED        SKIPPED: its result existed before
       └── stays after an interrupt, or after the first failure with --fail-fast

A result with a file of its own is written when it is there.  All else is written to standard
output in the order of the arguments, each as soon as those before it have ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from enum import Enum
from pathlib import Path

import anyio
import attrs
from anyio.to_thread import run_sync

from speech_adapters.errors import SpeechError
from speech_adapters.export import one_line, render, render_page
from speech_adapters.meetings import MeetingService
from speech_compat.cli.display import Display
from speech_compat.cli.output import reason_of, report, write
from speech_compat.cli.sources import Source
from speech_compat.cli.transcription import transcribe_source

__all__ = ["BulkRun", "Item", "State"]


class State(Enum):
    """What became of a recording."""

    WAITING = "waiting"
    DONE = "transcribed"
    SKIPPED = "skipped"
    FAILED = "failed"


@attrs.define
class Item:
    """A recording and its result.

    Attributes:
        source: the recording.
        target: the file of its result; ``None`` if it has none of its own.
        state: what became of it.
        document: the result; ``None`` if it is written already, or there is none.
        notes: faults of the recording.
        code: its exit code.
        error: why there is no result.
    """

    source: Source
    target: Path | None = None
    state: State = State.WAITING
    document: str | None = None
    notes: tuple[str, ...] = ()
    code: int = 0
    error: SpeechError | OSError | None = None


class BulkRun:
    """Transcribes recordings; used once.

    Args:
        items: the recordings, in the order of the output.
        options: those of the command.
        streams: whether documents go to standard output as they come; else the caller writes
            them.
    """

    def __init__(
        self, items: Sequence[Item], options: argparse.Namespace, *, streams: bool
    ) -> None:
        self._items = items
        self._options = options
        self._streams = streams
        self._next = 0  # the first item that has not been printed
        self._printed = False
        self._output_error: OSError | None = None
        self._printing = anyio.Lock()

    async def run(self, meetings: MeetingService, jobs: int, display: Display) -> None:
        """Transcribe all recordings, ``jobs`` at a time; ends early with ``--fail-fast``.

        Raises:
            OSError: standard output cannot be written.
        """
        limiter = anyio.CapacityLimiter(jobs)
        with display:
            async with anyio.create_task_group() as tasks:
                for item in self._items:
                    if item.state is State.WAITING:
                        tasks.start_soon(
                            self._transcribe, meetings, item, limiter, display, tasks.cancel_scope
                        )
        if self._output_error is not None:
            raise self._output_error

    def print_rest(self) -> None:
        """Print what has ended but waits for earlier recordings, after an interrupt.

        Raises:
            OSError: standard output cannot be written.
        """
        for item in self._items[self._next :]:
            if item.state is not State.WAITING:
                self._print(item)
        self._next = len(self._items)

    async def _transcribe(
        self,
        meetings: MeetingService,
        item: Item,
        limiter: anyio.CapacityLimiter,
        display: Display,
        scope: anyio.CancelScope,
    ) -> None:
        """Transcribe one recording; an error of it is none of the others."""
        async with limiter:
            try:
                await self._finish(meetings, item, display)
            except (SpeechError, OSError) as error:
                item.error = error
                item.state = State.FAILED
        failed = item.state is State.FAILED
        display.ended(item.source.weight, failed=failed)
        try:
            await self._print_ready(display)
        except OSError as error:  # such as a pipe whose reader has ended
            self._output_error = error
            scope.cancel()
        if failed and self._options.fail_fast:
            scope.cancel()

    async def _finish(self, meetings: MeetingService, item: Item, display: Display) -> None:
        result = await transcribe_source(meetings, item.source, self._options, display)
        item.notes, item.code = result.notes, result.code
        audio = item.source.path if self._options.embed_audio else None
        if audio is None:
            document = await run_sync(render, result.transcript, self._options.format)
        else:
            document = await run_sync(render_page, result.transcript, audio)
        if item.target is None:
            item.document = document
        else:
            await run_sync(_write_target, document, item.target)
        item.state = State.DONE

    async def _print_ready(self, display: Display) -> None:
        """Print the recordings that have ended and have none before them that has not."""
        # In a thread, because a terminal or a pipe may block; in turn, for the order.
        async with self._printing:
            while self._next < len(self._items):
                item = self._items[self._next]
                if item.state is State.WAITING:
                    return
                # Standard error is redirected by the display, standard output is not.
                with display.paused() if self._streams else nullcontext():
                    await run_sync(self._print, item)
                self._next += 1

    def _print(self, item: Item) -> None:
        for note in item.notes:
            report(f"{item.source.label}: {note}")
        if item.error is not None and len(self._items) > 1:
            report(f"{item.source.label}: {reason_of(item.error)}")
        if item.state is State.DONE and item.target is not None and self._options.verbose:
            report(f"{item.source.label}: written to {item.target}.")
        if item.document is not None and self._streams:
            write(self._with_heading(item, item.document), None)
            item.document, self._printed = None, True

    def _with_heading(self, item: Item, document: str) -> str:
        if len(self._items) == 1 or self._options.format != "text":
            return document
        break_before = "\n" if self._printed else ""
        return f"{break_before}== {one_line(item.source.label)}\n{document}"

    def join_documents(self) -> str | None:
        """Return the documents that are not written yet as one; ``None`` if there are none."""
        parts: list[str] = []
        for item in self._items:
            if item.document is not None:
                parts.append(self._with_heading(item, item.document))
                self._printed = True
        return "".join(parts) if parts else None


def _write_target(document: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    write(document, target)
