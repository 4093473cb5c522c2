"""The life of a meeting that is being transcribed, from its first audio to its closed session."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncGenerator, Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from speech_adapters.contract import Attendee, MeetingRequest, Recognized, Session, SessionEvent
from speech_adapters.errors import AudioError, SpeechError
from speech_adapters.transcript import TICKS_PER_SECOND
from speech_compat.gateway.delivery import Client, Delivery
from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.framing import FramingError
from speech_compat.gateway.outward import outward
from speech_compat.gateway.owned import OwnedMeetings
from speech_compat.gateway.position import AudioPosition
from speech_compat.gateway.replies import ReplyBuilder

if TYPE_CHECKING:
    from speech_compat.gateway.service import Gateway

__all__ = ["RunningMeeting"]

# A meeting that is only stored has no results: after the end of its audio the client waits for
# the hand-over no longer than this.
_HAND_OVER_SECONDS: Final = 5.0
# A native client tries five times, 0.3 s apart, before it reports an error.
_FAILED_SECONDS: Final = 10.0
_TICKS_PER_HOUR: Final = 3_600 * TICKS_PER_SECOND
_logger = logging.getLogger("speech_compat.gateway")


class _State(Enum):
    RECORDING = auto()
    FINISHING = auto()
    ENDED = auto()
    FAILED = auto()
    CLOSED = auto()


class RunningMeeting:
    """A session that audio of a client enters, and whose results a :class:`Delivery` sends.

    ::

        RECORDING ──end of audio──▶ FINISHING ──last event──▶ ENDED
            │                           │
            ├───────────error───────────┴──▶ FAILED
            └──no connection, or aclose──▶ CLOSED

    The meeting outlives its connections.  Only audio that the session has accepted is
    acknowledged.

    Args:
        gateway: what all requests share.
        owned: the meetings of the owner.
        request: the request, with the client's id.
        session: its session, which the meeting closes.
        builder: creates its replies.
        start: where the recording starts, in ticks of the client's session.
        held: up to where the session has audio already, in ticks of the client's session; the
            results of that audio were sent before.

    Attributes:
        request: the request, with the client's id and the present attendees.
        done: set when the session is closed.
        on_expired: called when the client has had no connection for ``reconnect_seconds``.
        on_closed: called when the session is closed.
    """

    def __init__(
        self,
        gateway: Gateway,
        owned: OwnedMeetings,
        request: MeetingRequest,
        session: Session,
        builder: ReplyBuilder,
        *,
        start: int = 0,
        held: int = 0,
    ) -> None:
        self.request = request
        self.done = asyncio.Event()
        self.on_expired: Callable[[], object] = _ignore
        self.on_closed: Callable[[], object] = _ignore
        self._gateway = gateway
        self._owned = owned
        self._session = session
        # The audio that the session has, and what the client knows of that.
        self._position = AudioPosition(request.audio, start, held)
        # Sends the results; knows the present connection.
        self._delivery = Delivery(
            builder,
            self._position,
            start=start,
            held=held,
            patience=gateway.options.reconnect_seconds,
            on_expired=self._expire,
        )
        # The place in the life cycle above, and when it was entered.
        self._state = _State.RECORDING
        self._since = time.monotonic()
        # Why the meeting failed.
        self._error: SpeechError | None = None
        # Set when the client has sent all audio, and when the session has accepted its end.
        self._audio_ended, self._handed_over = asyncio.Event(), asyncio.Event()
        # Tasks, since the loop keeps only weak references: one follows the session's events, one
        # the follower and closes the session, and one ends the audio.
        self._follower = asyncio.create_task(self._follow())
        self._supervisor = asyncio.create_task(self._supervise())
        self._finisher: asyncio.Task[None] | None = None

    @property
    def attached(self) -> bool:
        """Whether the client is connected."""
        return self._delivery.attached

    def continues(self, turn: Turn, request: MeetingRequest) -> bool:
        """Whether a turn of the client continues this meeting rather than starts another one.

        Args:
            turn: the turn.
            request: what the turn announced.
        """
        stored = self.request.mode.stored
        if stored and self.request.meeting_id != request.meeting_id:
            return False
        if self._state is _State.FAILED:
            # What is only live may be tried again from here on; a recording would fall apart.
            return stored and time.monotonic() - self._since < _FAILED_SECONDS
        if self._state is _State.CLOSED:
            return False
        # After a turn has ended properly, the next one on a connection is a new start.
        return not self._delivery.end_received(turn)

    async def attach(self, client: Client, turn: Turn) -> None:
        """Continue in a turn of a connection; what its client has missed is sent again.

        Raises:
            FramingError: the audio has another format than before, or a gap.
        """
        if turn.pcm != self.request.audio:
            raise FramingError("The format of the audio has changed during the meeting.")
        await self._delivery.attach(client, turn)

    def detach(self, client: Client) -> None:
        """Note that a connection has ended, or begins another turn."""
        self._delivery.detach(client)

    async def push(self, audio: bytes) -> None:
        """Accept audio of the turn; returns when it is safe.

        Waits while the backend accepts no more, so that the client must wait too.
        """
        audio = self._position.new_part(audio)
        if not audio or self._state is not _State.RECORDING:
            return
        try:
            # A connection that ends must not leave a part of the audio in the session.
            with anyio.CancelScope(shield=True):
                await self._session.push(audio)
        except SpeechError as error:
            self.interrupt(error)
            return
        position = self._position
        position.add(len(audio))
        self._gateway.metrics.audio_seconds.inc(len(audio) / self.request.audio.bytes_per_second)
        hours = self._gateway.options.audio_hours
        if position.duration > hours * _TICKS_PER_HOUR:
            self.interrupt(AudioError(f"The audio of a meeting is limited to {hours:g} hours."))
        else:
            await self._delivery.acknowledge()

    async def finish_turn(self) -> None:
        """Note that the client sends no more audio in this turn; the first time ends the audio."""
        if self._state is _State.RECORDING:
            self._enter(_State.FINISHING)
            self._audio_ended.set()
            self._finisher = asyncio.create_task(self._end_audio())
        await self._delivery.complete_turn()

    async def replace_attendees(self, attendees: tuple[Attendee, ...]) -> None:
        """Store the present participants, if they have changed and the meeting is stored."""
        if attendees == self.request.attendees or self._state is not _State.RECORDING:
            return
        self.request = attrs.evolve(self.request, attendees=attendees)
        if self.request.mode.stored:
            try:
                await self._owned.replace_attendees(self.request)
            except SpeechError as error:
                self.interrupt(error)

    def interrupt(self, error: SpeechError | None = None) -> None:
        """End the meeting early.

        Args:
            error: why; ``None`` if its client is gone, or the gateway closes.
        """
        self._error = self._error or error
        self._follower.cancel()

    def abandon(self) -> None:
        """Note that the client has begun another meeting, so it cannot return to this one."""
        if self._state is _State.RECORDING:
            self._delivery.stop_waiting()
            self.interrupt()

    async def aclose(self) -> None:
        """End the meeting, and wait until its session is closed.  Idempotent."""
        self._delivery.stop_waiting()
        self.interrupt()
        await self.done.wait()

    def _expire(self) -> None:
        self.interrupt()
        self.on_expired()

    async def _supervise(self) -> None:
        with self._gateway.running_meeting():
            try:
                await asyncio.wait({self._follower})
                await self._conclude()
            finally:
                self._follower.cancel()
                await self._close_session()
                self.done.set()
                self.on_closed()

    async def _conclude(self) -> None:
        """Enter the final state, and report an error."""
        error = self._error
        if error is None and not self._follower.cancelled():
            error = _speech_error(self._follower.exception())
        if error is not None:
            self._gateway.metrics.error(error)
            self._enter(_State.FAILED)
            await self._delivery.fail(self._outward(error))
        else:
            self._enter(_State.CLOSED if self._follower.cancelled() else _State.ENDED)

    async def _close_session(self) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await self._session.aclose()
        except SpeechError as error:
            self._gateway.metrics.error(error)
            self._outward(error)  # logs it

    def _outward(self, error: SpeechError) -> SpeechError:
        return outward(error, self._owned.stored_id(self.request.meeting_id))

    async def _follow(self) -> None:
        """Send the session's events, and the end of the turn after the last one."""
        if self.request.mode.live:
            events = self._session.events()
            try:
                async for event in events:
                    result = await self._delivery.deliver(event)
                    if result is not None:
                        self._measure(event, result.end)
            finally:
                # The contract promises an iterator; only generators hold something to release.
                if isinstance(events, AsyncGenerator):
                    await events.aclose()
        await self._audio_ended.wait()
        with anyio.move_on_after(_HAND_OVER_SECONDS):
            await self._handed_over.wait()
        await self._delivery.end()
        await self._handed_over.wait()

    def _measure(self, event: SessionEvent, end: int) -> None:
        """Count a final result, and measure how long its audio has waited for it."""
        metrics = self._gateway.metrics
        if isinstance(event, Recognized) and not event.correction:
            metrics.phrases.inc()
            seconds = self._position.age(end)
            if seconds is not None:
                metrics.phrase_latency.observe(seconds)

    async def _end_audio(self) -> None:
        try:
            await self._session.finish()
        except Exception as error:
            # Of a bug too: otherwise the client would receive the end of a meeting as it was.
            self.interrupt(_speech_error(error))
        finally:
            self._handed_over.set()

    def _enter(self, state: _State) -> None:
        self._state, self._since = state, time.monotonic()


def _speech_error(error: BaseException | None) -> SpeechError | None:
    """Return an error as one of the tree; what is no part of it is logged as a bug."""
    if error is None or isinstance(error, SpeechError):
        return error
    # Without the text, which may quote what was said.
    where = "".join(traceback.format_tb(error.__traceback__))
    _logger.error("A meeting failed: %s\n%s", type(error).__name__, where)
    return SpeechError("The meeting failed.")


def _ignore() -> None:
    pass
