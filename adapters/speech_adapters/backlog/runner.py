"""The run of a backlog, from any state in which a process left it.

::

    journal ──page──▶ what the store has of it already ──▶ recorder (several at a time)
                                                               │
    journal ◀──changes── collector ◀──one query── store ◀──────┤
                                                    ▲          │
                                                  sweep (one for all)

In flight are the recordings that are being recorded, and those in the store that are not final.
Their number is limited, so memory, disk and service are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

import anyio
import attrs

from speech_adapters import threads
from speech_adapters.backlog.items import Change, Counts, Item, ItemState
from speech_adapters.backlog.journal import Journal
from speech_adapters.backlog.recorder import OnGaps, Recorder, is_of_all
from speech_adapters.contract import JobState
from speech_adapters.errors import (
    MeetingBusyError,
    MeetingFailedError,
    MeetingNotFoundError,
    SpeechError,
)
from speech_adapters.meetings import MeetingService
from speech_adapters.store import Outcome, Store
from speech_adapters.store.recovery import CUT_SHORT, NO_AUDIO

__all__ = ["BacklogRunner", "Limits", "meeting_prefix"]

T = TypeVar("T")

_PAGE: Final = 100
# Meetings in one query.
_QUERY: Final = 500
# Seconds between two queries of the store, and between two sweeps; they grow while nothing ends.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_LONGEST_SWEEP_PAUSE: Final = 2.0
_DELETED: Final = "Its meeting was deleted."


def meeting_prefix(name: str) -> str:
    """Return the first characters of the ids of a backlog's meetings."""
    # No owner of a gateway has a colon in the name, so none has these meetings.
    return f"backlog:{name}/"


@attrs.frozen
class Limits:
    """How much a run does at a time.

    Attributes:
        jobs: recordings that are recorded, and uploaded or sent, at a time.
        in_flight: recordings that have begun and are not final, at most.
        rate: recordings that begin in a minute, at most; 0.0 for no limit.
        retries: how often a recording that failed is tried again.
        fail_fast: whether the first failure ends the run.
    """

    jobs: int = 4
    in_flight: int = 200
    rate: float = 0.0
    retries: int = 0
    fail_fast: bool = False


@attrs.define
class _Active:
    """A recording in flight.

    Attributes:
        item: the recording.
        resumes: whether the store has a failed meeting of it that is to be tried again.
        recorded: whether the store has all of it.
        noted: whether the journal has that it is recorded.
        notes: faults of its audio.
    """

    item: Item
    resumes: bool = False
    recorded: bool = False
    noted: bool = False
    notes: str = ""


class BacklogRunner:
    """Runs a backlog; to be used once.

    Args:
        meetings: the meeting service.
        journal: the journal, which is planned; this process has locked the backlog.
        limits: how much is done at a time.
        on_gaps: is called with the name of the backend, and what it will not do.
        clock: returns the time in seconds.

    Attributes:
        counts: the recordings by their states.
    """

    def __init__(
        self,
        meetings: MeetingService,
        journal: Journal,
        limits: Limits,
        on_gaps: OnGaps,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meetings = meetings
        self._journal = journal
        self._limits = limits
        self._clock = clock
        self._prefix = meeting_prefix(journal.name)
        self._recorder = Recorder(meetings, self._prefix, on_gaps)
        self.counts: Counts = journal.counts()
        # What is in flight, by the id of its meeting.
        self._active: dict[str, _Active] = {}
        # Changes that the journal does not have yet.
        self._changes: list[Change] = []
        # The number of the last recording that was fetched from the journal.
        self._cursor = 0
        self._next_start = 0.0
        self._changed = anyio.Event()
        # Keeps the journal from being read between a change and its writing.
        self._writing = anyio.Lock()
        self._ended = anyio.Event()
        self._scope = anyio.CancelScope()
        self._error: SpeechError | None = None

    @property
    def in_flight(self) -> int:
        """How many recordings have begun and are not final."""
        return len(self._active)

    async def run(self) -> None:
        """Transcribe all that is waiting; ends when every recording is final.

        After a cancellation or an error, nothing is lost: another run continues.

        Raises:
            SpeechError: the error concerns all recordings, such as a key that is refused.
        """
        await self._discard_parts()
        for item in await self._call(lambda: list(self._journal.items(ItemState.RECORDED))):
            self._active[self._id(item)] = _Active(item, recorded=True, noted=True)
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._guarded, self._sweep)
                    tasks.start_soon(self._guarded, self._collect)
                    await self._guarded(self._feed)
                    # Not canceled: a sweep may just be cleaning up at the service.
                    self._ended.set()
                    self._notify()
        finally:
            with anyio.CancelScope(shield=True):
                await self._write()
        if self._error is not None:
            raise self._error

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task; an error of it ends the run."""
        try:
            await work()
        except SpeechError as error:
            self._stop(error)

    def _stop(self, error: SpeechError | None = None) -> None:
        self._error = self._error or error
        self._scope.cancel()

    def _id(self, item: Item) -> str:
        return self._prefix + item.key

    async def _call(self, function: Callable[[], T]) -> T:
        """Use the journal in a worker thread."""
        return await threads.STORE.run(function)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _discard_parts(self) -> None:
        """Delete what a process that was killed left of recordings, before a sweep ends them."""
        unfinished = await self._meetings.store.run(Store.unfinished, math.inf)
        for recording in unfinished:
            if not recording.meeting_id.startswith(self._prefix):
                continue
            if recording.state is JobState.UPLOADING:
                with suppress(MeetingBusyError):
                    await self._meetings.discard_cut_off(recording.meeting_id)
            elif CUT_SHORT in recording.notes:
                # Another process ended it, and may have begun to transcribe it.
                await self._delete(recording.meeting_id)

    async def _feed(self) -> None:
        """Begin recordings, as many as the limits permit, until nothing is waiting."""
        jobs = anyio.Semaphore(self._limits.jobs)
        async with anyio.create_task_group() as recordings:
            while page := await self._next_page():
                for active in page:
                    await self._await_room()
                    await self._await_turn()
                    await jobs.acquire()
                    self._active[self._id(active.item)] = active
                    recordings.start_soon(self._record, active, jobs)

    async def _next_page(self) -> list[_Active]:
        """Return recordings that are to begin; none once all are final."""
        while True:
            changed = self._changed
            async with self._writing:
                await self._write_changes()
                page = await self._call(
                    lambda: self._journal.page(ItemState.WAITING, self._cursor, _PAGE)
                )
            if page:
                self._cursor = page[-1].number
                if fresh := await self._without_known(self._idle(page)):
                    return fresh
                continue
            if not (self._active or self._changes or self._cursor):
                return []
            # Again from the first: some may wait for another attempt by then.
            self._cursor = 0
            if self._active:
                await changed.wait()

    def _idle(self, items: Sequence[Item]) -> list[Item]:
        """Return the recordings of which nothing has happened since they were read."""
        changed = {change.number for change in self._changes}
        return [i for i in items if self._id(i) not in self._active and i.number not in changed]

    async def _without_known(self, items: Sequence[Item]) -> list[_Active]:
        """Return the recordings that are to begin; what the store has of the others is watched."""
        ids = [self._id(item) for item in items]
        outcomes = await self._meetings.store.run(Store.outcomes, ids)
        known = {found.meeting_id: found for found in outcomes}
        fresh = []
        for item in items:
            outcome = known.get(self._id(item))
            if outcome is not None and outcome.state is not JobState.DELETED and _is_part(outcome):
                # Another process ended what a killed one had left.
                await self._delete(outcome.meeting_id)
                outcome = None
            if outcome is None or outcome.state is JobState.DELETED:
                fresh.append(_Active(item))
            elif outcome.state is JobState.FAILED and item.retried:
                fresh.append(_Active(item, resumes=True))
            else:
                self._active[outcome.meeting_id] = _Active(item, recorded=True)
        return fresh

    async def _delete(self, meeting_id: str) -> None:
        with suppress(MeetingNotFoundError):
            await self._meetings.delete(meeting_id)

    async def _await_room(self) -> None:
        while len(self._active) >= self._limits.in_flight:
            await self._changed.wait()

    async def _await_turn(self) -> None:
        if self._limits.rate:
            await anyio.sleep(max(self._next_start - self._clock(), 0.0))
            self._next_start = max(self._next_start, self._clock()) + 60 / self._limits.rate

    async def _record(self, active: _Active, jobs: anyio.Semaphore) -> None:
        try:
            if not (active.resumes and await self._resume(active)):
                active.notes = await self._recorder.record(active.item)
            active.recorded = True
        except (SpeechError, OSError) as error:
            if isinstance(error, SpeechError) and is_of_all(error):
                self._stop(error)
            else:
                self._end(active, Change(active.item.number, ItemState.FAILED, _reason(error)))
        finally:
            jobs.release()
            self._notify()

    async def _resume(self, active: _Active) -> bool:
        """Have a failed meeting processed again; return False if it has to be recorded again."""
        meeting_id = self._id(active.item)
        try:
            await self._meetings.resume(meeting_id)
        except MeetingFailedError:  # its audio is gone, but here is the file
            await self._delete(meeting_id)
            return False
        except SpeechError as error:
            if is_of_all(error):
                raise
            # It is Processing, and the sweep goes on.
        return True

    async def _sweep(self) -> None:
        """Continue all meetings of the store, again and again."""
        pause, before = _FIRST_PAUSE, self.counts
        while True:
            ended, start = self._ended.is_set(), self._clock()
            await self._meetings.sweep()
            if ended:
                return
            if self.counts != before:
                pause = _FIRST_PAUSE
            else:
                # A sweep that finds much and changes nothing is not to occupy the processor.
                pause = min(max(pause * 2, self._clock() - start), _LONGEST_SWEEP_PAUSE)
            before = self.counts
            with anyio.move_on_after(pause):
                await self._ended.wait()

    async def _collect(self) -> None:
        """Find what has become final, again and again, and write it to the journal."""
        pause = _FIRST_PAUSE
        while not self._ended.is_set():
            before = self.counts
            recorded = [key for key, active in self._active.items() if active.recorded]
            for start in range(0, len(recorded), _QUERY):
                await self._settle(recorded[start : start + _QUERY])
            await self._write()
            pause = _FIRST_PAUSE if self.counts != before else min(pause * 2, _LONGEST_PAUSE)
            await anyio.sleep(_FIRST_PAUSE)
            # With some backends a recording is final once it is recorded.
            with anyio.move_on_after(pause):
                await self._changed.wait()

    async def _settle(self, meeting_ids: Sequence[str]) -> None:
        """Note what became of meetings that the store has."""
        outcomes = await self._meetings.store.run(Store.outcomes, meeting_ids)
        known = {found.meeting_id: found for found in outcomes}
        for meeting_id in meeting_ids:
            active, outcome = self._active[meeting_id], known.get(meeting_id)
            # Without one, the store was moved or deleted; the other was ended by another process.
            if outcome is None or CUT_SHORT in outcome.notes:
                self._end(active, Change(active.item.number, ItemState.WAITING))
            elif outcome.state.final:
                self._end(active, self._ending(active, outcome))
            elif not active.noted:
                active.noted = True
                self._changes.append(
                    Change(active.item.number, ItemState.RECORDED, attempts=active.item.attempts)
                )

    def _ending(self, active: _Active, outcome: Outcome) -> Change:
        """Return the change after a final state of a meeting."""
        number, attempts = active.item.number, active.item.attempts
        if outcome.state is JobState.COMPLETED:
            return Change(number, ItemState.COMPLETED, active.notes, outcome.duration)
        if outcome.state is JobState.DELETED:
            return Change(number, ItemState.FAILED, _DELETED)
        if attempts < self._limits.retries:
            # Among the others that are waiting, so that the limits apply to it.
            return Change(number, ItemState.WAITING, attempts=attempts + 1, retried=True)
        return Change(number, ItemState.FAILED, outcome.reason)

    def _end(self, active: _Active, change: Change) -> None:
        """Note a change of a recording that is in flight no more, and leaves room for another."""
        self._changes.append(change)
        del self._active[self._id(active.item)]
        self._notify()
        if change.state is ItemState.FAILED and self._limits.fail_fast:
            self._stop()

    async def _write(self) -> None:
        async with self._writing:
            await self._write_changes()

    async def _write_changes(self) -> None:
        """Write the changes to the journal, all at once."""
        changes = list(self._changes)
        if changes:
            await self._call(lambda: self._journal.apply(changes))
            # Those that came meanwhile are written the next time.
            del self._changes[: len(changes)]
            self.counts = await self._call(self._journal.counts)


def _is_part(outcome: Outcome) -> bool:
    """Return whether a meeting may have a part of its audio only, or none."""
    empty = outcome.state is JobState.FAILED and outcome.reason == NO_AUDIO
    return outcome.state is JobState.UPLOADING or empty or CUT_SHORT in outcome.notes


def _reason(error: SpeechError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or 'The file'} cannot be read: {error.strerror or error}."
    return str(error)
