"""The sweep: continues what dead processes left, of all meetings of a store.

::

    Uploading, unlocked ──grace──▶ recovered ──▶ Processing ──step──▶ ... ──▶ final state
                                                     ▲          │ error
                                                     └──pause───┘
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import anyio

from speech_adapters.contract import JobState
from speech_adapters.deletion import MeetingDeleter
from speech_adapters.errors import MeetingBusyError, SpeechError
from speech_adapters.processing import RecordingProcessor
from speech_adapters.store import AsyncStore, Recording, Store

__all__ = ["Sweeper"]

# How many meetings are processed at a time: a service that answers slowly must not stop the
# meetings of others.
_AT_ONCE: Final = 8
# How many of a backend are processed in one sweep; hundreds may wait for a worker, and each costs
# some milliseconds.  The next sweep begins with the others.  Those that their backend finds to
# have nothing to do, with one request for all, do not count.
_MOST: Final = 100
# Until the next attempt after an error; one that does not pass by itself, like a wrong key,
# needs a person.
_RETRY_SECONDS: Final = 60.0
_REFUSED_SECONDS: Final = 3600.0
_UNEXPECTED: Final = "an unexpected {}; please report it."
_logger = logging.getLogger("speech_adapters")


class Sweeper:
    """Remembers, between sweeps, which meetings had no process and which could not be processed.

    No process can state when it was killed, and its lock is only free.  So the grace time of a
    recording begins with the first sweep that finds its meeting unlocked.

    Args:
        store: the meeting store.
        clock: returns the time in seconds.
    """

    def __init__(self, store: AsyncStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        # When a recording in the state Uploading was first found without a process, by its id.
        self._abandoned: dict[str, float] = {}
        # When a recording may be processed again after an error, by its id.
        self._paused: dict[str, float] = {}
        # The number of the last sweep that processed a recording, by its id.
        self._processed: dict[str, int] = {}
        self._sweeps = 0

    async def sweep(
        self, processor: RecordingProcessor, deleter: MeetingDeleter, grace: float
    ) -> None:
        """Sweep once; see ``MeetingService.sweep``."""
        unfinished = await self._store.run(Store.unfinished, time.time())
        if unfinished:
            unlocked = await self._store.run(_unlocked, unfinished)
            await self._process(processor, self._due(unfinished, unlocked, grace))
        else:
            self._abandoned, self._paused, self._processed = {}, {}, {}
        await deleter.clean_up_due()

    def _due(
        self, unfinished: Sequence[Recording], unlocked: set[str], grace: float
    ) -> list[Recording]:
        """Return the recordings that are due; what is remembered of all others is forgotten."""
        now = self._clock()
        self._abandoned = {key: self._abandoned.get(key, now) for key in unlocked}
        present = {recording.id for recording in unfinished}
        self._processed = {k: n for k, n in self._processed.items() if k in present}
        self._paused = {k: end for k, end in self._paused.items() if k in present and end > now}
        expired = {key for key, since in self._abandoned.items() if now - since >= grace}
        due = [
            recording
            for recording in unfinished
            if recording.id not in self._paused
            and (recording.state is JobState.PROCESSING or recording.id in expired)
        ]
        due.sort(key=lambda recording: self._processed.get(recording.id, 0))
        return due

    async def _refresh(
        self, processor: RecordingProcessor, name: str, recordings: Sequence[Recording]
    ) -> set[str]:
        try:
            return await processor.refresh(name, recordings)
        except SpeechError as error:
            pause, reason = _pause_after(error), str(error)
        except Exception as error:
            # The other backends go on.  The text may quote what was said.
            pause, reason = _REFUSED_SECONDS, _UNEXPECTED.format(type(error).__name__)
        # All of them: each would meet the same error.
        found = {recording.id for recording in recordings}
        self._paused |= dict.fromkeys(found, self._clock() + pause)
        _logger.warning(
            "%d recordings of the backend %s could not be processed. The next attempt is in %d"
            " seconds. The reason: %s",
            *(len(found), name, pause, reason),
        )
        return found

    async def _process(self, processor: RecordingProcessor, due: Sequence[Recording]) -> None:
        self._sweeps += 1
        by_backend: dict[str, list[Recording]] = {}
        for recording in due:
            by_backend.setdefault(recording.backend, []).append(recording)
        limiter = anyio.CapacityLimiter(_AT_ONCE)
        async with anyio.create_task_group() as tasks:
            # Each by itself: a service that answers slowly must not stop the other backends.
            for name, recordings in by_backend.items():
                tasks.start_soon(self._process_some, processor, name, recordings, limiter)

    async def _process_some(
        self,
        processor: RecordingProcessor,
        name: str,
        due: Sequence[Recording],
        limiter: anyio.CapacityLimiter,
    ) -> None:
        """Process the recordings of one backend for which there is something to do."""
        processing = [found for found in due if found.state is JobState.PROCESSING]
        idle = await self._refresh(processor, name, processing) if len(processing) > 1 else set()
        left = [recording for recording in due if recording.id not in idle][:_MOST]
        self._processed |= dict.fromkeys((found.id for found in left), self._sweeps)
        async with anyio.create_task_group() as tasks:
            for recording in left:
                tasks.start_soon(self._try, processor, recording, limiter)

    async def _try(
        self, processor: RecordingProcessor, recording: Recording, limiter: anyio.CapacityLimiter
    ) -> None:
        async with limiter:
            try:
                if recording.state is JobState.UPLOADING:
                    await processor.recover(recording.meeting_id)
                await processor.process(recording.id)
            except SpeechError as error:
                self._pause(recording, _pause_after(error), str(error))
            except Exception as error:
                # The other meetings go on.  The text may quote what was said.
                reason = _UNEXPECTED.format(type(error).__name__)
                self._pause(recording, _REFUSED_SECONDS, reason)

    def _pause(self, recording: Recording, seconds: float, reason: str) -> None:
        self._paused[recording.id] = self._clock() + seconds
        _logger.warning(
            "Recording %s could not be processed. The next attempt is in %d seconds."
            " The reason: %s",
            *(recording.id, seconds, reason),
        )


def _pause_after(error: SpeechError) -> float:
    return _RETRY_SECONDS if error.retryable else _REFUSED_SECONDS


def _unlocked(store: Store, recordings: Sequence[Recording]) -> set[str]:
    """Return the recordings in the state Uploading whose meeting no process records."""
    found = set[str]()
    for recording in recordings:
        if recording.state is JobState.UPLOADING:
            try:
                store.lock_meeting(recording.meeting_id).release()
            except MeetingBusyError:
                continue
            found.add(recording.id)
    return found
