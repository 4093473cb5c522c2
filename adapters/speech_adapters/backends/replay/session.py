"""A meeting whose events come from a script, at the positions of the pushed audio."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import anyio

from speech_adapters.audio import PcmFormat
from speech_adapters.backends.replay.options import HANG, ReplayOptions
from speech_adapters.contract import Progress, SessionEvent, SpeechEnded
from speech_adapters.recording.session import RecordingOwner, SpoolSession
from speech_adapters.replay_script import position_of, start_of
from speech_adapters.transcript import seconds

__all__ = ["ReplaySession"]

_logger = logging.getLogger("speech_adapters")


class ReplaySession(SpoolSession):
    """Records the audio and plays events; see :class:`speech_adapters.contract.Session`.

    The reader of the events plays them: no task or thread of its own has to be ended.

    Args:
        audio: the path of the spool file.
        owner: the owner of the recording.
        pcm: the format of the audio.
        events: the events to play.
        options: pace and faults.
        complete: stores the transcript once all events were read.
    """

    def __init__(
        self,
        audio: Path,
        owner: RecordingOwner,
        pcm: PcmFormat,
        events: tuple[SessionEvent, ...],
        options: ReplayOptions,
        complete: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(audio, owner)
        self._pcm = pcm
        self._script = events
        self._options = options
        self._complete = complete
        self._completed = False
        # Bytes pushed, and whether more may come.
        self._size = 0
        self._ended = False
        # Whether events were left out because the audio was shorter.
        self._cut = False
        # Monotonic time of the first audio, with which the events keep their pace.
        self._begun = 0.0
        # Set at each change of the attributes above, and replaced by the reader of the events.
        self._changed = anyio.Event()
        self._closing = anyio.Event()

    async def push(self, audio: bytes) -> None:
        """Append audio; events up to its end become due."""
        await super().push(audio)
        self._begun = self._begun or time.monotonic()
        self._size += len(audio)
        self._changed.set()

    async def events(self) -> AsyncIterator[SessionEvent]:
        """Yield the events that are due; after the last one the transcript is stored."""
        async for event in self._play():
            yield event
        # Also raises the error of a meeting without audio.
        async for event in super().events():
            yield event
        if not self._closed:
            await self._complete()
            self._completed = True

    async def _play(self) -> AsyncIterator[SessionEvent]:
        fault_after = self._options.fault_after
        for number, event in enumerate(self._script):
            if number == fault_after:
                await self._fail()
            await self._wait_for(event)
            if self._closed:
                return
            for sent in self._within_audio(event):
                yield sent
        if fault_after is None or fault_after >= len(self._script):
            # Not before the audio has ended, whatever the script has.
            await self._wait_until(lambda: self._ended)
            await self._fail()

    async def _wait_for(self, event: SessionEvent) -> None:
        """Wait until an event is due: its audio is there, and its time has come."""
        position = position_of(event)
        await self._wait_until(lambda: self._ended or self._pcm.ticks(self._size) >= position)
        options = self._options
        due = self._begun + seconds(position) / options.pace if options.pace else 0.0
        pause = max(due - time.monotonic(), 0.0) + options.delay_seconds
        if pause:
            await self._pause(pause)

    async def _pause(self, wait: float) -> None:
        """Wait for some seconds; a session that is closed waits no longer."""
        with anyio.move_on_after(wait):
            await self._closing.wait()

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self._closed:
            self._changed = anyio.Event()
            await self._changed.wait()

    def _within_audio(self, event: SessionEvent) -> Iterator[SessionEvent]:
        """Yield an event if it belongs to the audio, and report the first that does not."""
        length = self._pcm.ticks(self._size)
        if (self._options.whole and length) or start_of(event) < length:
            yield event
        elif isinstance(event, SpeechEnded | Progress) and length:
            # The speech that was cut off ends too, and all of the audio was read.
            yield type(event)(length)
        elif not self._cut and length:
            self._cut = True
            _logger.warning(
                "The audio ended after %.1f s, and the replay script goes on: its other events"
                " are left out. Push the audio that belongs to it, or set backends.replay.whole.",
                seconds(length),
            )

    async def _fail(self) -> None:
        """Do what goes wrong, if anything does."""
        if self._closed:
            return
        error = self._options.error()
        if error is not None:
            raise error
        if self._options.fault == HANG:
            await self._closing.wait()

    async def _finish(self) -> None:
        try:
            await super()._finish()
        finally:
            self._ended = True
            self._changed.set()

    async def _release(self) -> None:
        self._closing.set()
        self._changed.set()
        await self._owner.release(self._completed)
