"""What a client receives of a meeting, whatever connections it has meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from speech_adapters.contract import SessionEvent
from speech_adapters.errors import SpeechError
from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.history import History, Item
from speech_compat.gateway.position import AudioPosition
from speech_compat.gateway.replies import Reply, ReplyBuilder, end_reply, error_message

__all__ = ["Client", "ClientGoneError", "Delivery"]


class ClientGoneError(Exception):
    """The connection to the client is lost."""


class Client(Protocol):
    """One connection of a client."""

    async def send(self, message: str) -> None:
        """Send a text message.

        Raises:
            ClientGoneError: the connection is lost, or the client does not read.
        """
        ...

    def drop(self) -> None:
        """Close the connection soon, because its client has made another one."""
        ...


class Delivery:
    """Sends the results of one meeting to its client, in order, over one connection at a time.

    ::

        no connection ──attach──▶ in a turn ──end, or failure──▶ after the turn
            ▲  │                   ▲     │                        │    │
            │  └──expired          └─────┼─────────attach─────────┘    │
            └──detach, or lost───────────┴─────────────────────────────┘

    Final results that are not received are sent again in the next turn, hypotheses are not.
    The end or the failure of the meeting is the last message of every turn from then on.

    All methods may be called in any state, and concurrently.

    Args:
        builder: creates the replies.
        position: the audio of the meeting; the caller adds what the session has accepted.
        start: where the recording starts, in ticks of the client's session.
        held: up to where the results were sent before, in ticks of the client's session.
        patience: how many seconds a meeting waits for a reconnect.
        on_expired: called when the client has had no connection for so long.
    """

    def __init__(
        self,
        builder: ReplyBuilder,
        position: AudioPosition,
        *,
        start: int,
        held: int,
        patience: float,
        on_expired: Callable[[], object],
    ) -> None:
        self._builder = builder
        self._position = position
        self._patience = patience
        self._on_expired = on_expired
        # Results of audio before it were sent on earlier connections to another process.
        self._settled = held if held > start else None
        # What was sent in order, and its last item, if the meeting has ended.
        self._history = History(held)
        self._end: Item | None = None
        # Why the meeting failed; the text may be sent.
        self._failure: SpeechError | None = None
        # The present connection and its turn; None between connections, and the turn after its
        # end.
        self._client: Client | None = None
        self._turn: Turn | None = None
        # Where the turn starts, as the client counts.
        self._turn_start = held
        # Whether the client has sent all audio of its turn.
        self._turn_complete = False
        # Held to send: results must not overtake those that are sent again.
        self._sending = asyncio.Lock()
        # Runs while there is no connection.
        self._timer: asyncio.TimerHandle | None = None

    @property
    def attached(self) -> bool:
        """Whether the client is connected."""
        return self._client is not None

    def end_received(self, turn: Turn) -> bool:
        """Whether the client had received the end of the meeting when it began a turn."""
        return self._end is not None and self._history.was_received(self._end, turn)

    async def attach(self, client: Client, turn: Turn) -> None:
        """Continue in a turn of a connection; what its client has missed is sent again.

        Raises:
            FramingError: the audio of the turn has a gap after what was received.
        """
        if self._client is not None and self._client is not client:
            # Half open: what was sent to it may be lost.
            self._client.drop()
            self.detach(self._client)
        async with self._sending:
            resumption = self._history.resume(turn)
            self._position.restart(resumption.audio)
            self.stop_waiting()
            self._client, self._turn, self._turn_complete = client, turn, False
            self._turn_start = resumption.start
            for item in resumption.lost:
                # The end is due only after the audio that the client repeats.
                if item.reply is not None and item is not self._end:
                    await self._send_item(item)
            await self._send_failure()

    def detach(self, client: Client) -> None:
        """Note that a connection has ended, or begins another turn, and wait for the next."""
        # An older connection may end after its successor was attached.
        if client is self._client:
            self._client = self._turn = None
            self.stop_waiting()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._patience, self._on_expired)

    def stop_waiting(self) -> None:
        """Wait for no reconnect any more.  Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def deliver(self, event: SessionEvent) -> Reply | None:
        """Send the reply to an event of the session; return it if it is a final result."""
        async with self._sending:
            self._position.note(event)
            reply = self._builder.reply(event)
            if reply is None or (self._settled is not None and reply.end <= self._settled):
                return None
            if reply.final:
                await self._send_result(reply)
                return reply
            if self._turn is not None:
                message = reply.message(self._turn, self._turn_start, clip=self._declares)
                await self._send(message)
            return None

    async def acknowledge(self) -> None:
        """Let the client discard audio that is safe, if it has waited for that long enough."""
        if self._due() is None:
            return
        async with self._sending:
            # Asked again: a result may have been sent before the lock was free.
            position = self._due()
            if position is not None:
                await self._send_item(self._history.add(None, position))

    async def complete_turn(self) -> None:
        """Note that the client has sent all audio of its turn, and waits for the end."""
        self._turn_complete = True
        if self._end is not None:
            async with self._sending:
                await self._send_end()

    async def end(self) -> None:
        """End the meeting: no event follows."""
        async with self._sending:
            reply = end_reply(self._position.received)
            self._end = self._history.add(reply, reply.end)
            await self._send_end()

    async def fail(self, error: SpeechError) -> None:
        """End the meeting with an error, whose text may be sent to the client."""
        self._failure = error
        async with self._sending:
            await self._send_failure()

    @property
    def _declares(self) -> bool:
        """Whether the client declares its position, and so knows acknowledgements."""
        return self._turn is not None and self._turn.position is not None

    def _due(self) -> int | None:
        return self._position.due(self._history.last.reached) if self._declares else None

    async def _send_result(self, reply: Reply) -> None:
        item = self._history.add(reply, reply.end)
        await self._send_item(item)
        if reply.end < item.reached:
            # A correction has moved the client's position back.
            await self._send_item(self._history.add(None, item.reached))

    async def _send_item(self, item: Item) -> None:
        turn = self._turn
        if turn is None:
            return
        headers = self._history.headers(item, self._turn_start)
        if item.reply is not None:
            message = item.reply.message(turn, self._turn_start, headers, clip=self._declares)
        elif self._declares:
            message = turn.message("gateway.ack", {}, headers)
        else:
            return
        if await self._send(message):
            self._history.note_sent(item)

    async def _send_end(self) -> None:
        """End the turn, if all results were sent and the client has sent its audio."""
        if self._end is not None and self._turn is not None and self._turn_complete:
            await self._send_item(self._end)
            await self._end_turn()

    async def _send_failure(self) -> None:
        if self._failure is not None and self._turn is not None:
            await self._send(error_message(self._turn, self._failure))
            await self._end_turn()

    async def _end_turn(self) -> None:
        turn = self._turn
        if turn is not None:
            await self._send(turn.end())
            # Whatever follows belongs to no turn.
            self._turn = None

    async def _send(self, message: str) -> bool:
        """Send a message if there is a connection; return whether it was accepted."""
        client = self._client
        if client is None:
            return False
        try:
            await client.send(message)
        except ClientGoneError:
            self.detach(client)
            return False
        return True
