"""What was sent to a client in order, so that after a reconnect nothing is lost or repeated.

A client discards the audio before the end of each final result and before each
acknowledgement.  After a reconnect it repeats the rest, and names the last message that it has
received: native clients by a continuation token that the message had, and by the position that
the message left (docs/protocol/speech-websocket.md, 3 and 4.2).  As messages arrive in the
order in which they were sent, what was sent later was lost::

    sent        phrase 1   phrase 2   acknowledgement 3   phrase 4
    received    ───────────────────────────────────▶ ✂
    sent again                                            phrase 4

Observed at native clients (1.43 and 1.53): the token of any message counts; the position is
that of the last message, even if it is earlier than that of a message before, but the audio is
repeated from the highest position.
"""

from __future__ import annotations

import uuid
from collections import deque
from typing import Final

import attrs

from speech_compat.gateway.dialogue import Turn
from speech_compat.gateway.replies import Reply

__all__ = ["History", "Item", "Resumption"]

# A connection that takes audio for a minute has taken the results too: more than these cannot
# be lost at once.
_MOST_ITEMS: Final = 1_000
_TOKEN: Final = "X-Continuation-Token"  # noqa: S105 - the name of a header
_OFFSET: Final = "X-Continuation-Audio-Streams-1-Offset"


@attrs.frozen
class Item:
    """A message that changes the position of the client.

    Attributes:
        number: counts from 1.
        reply: the final result; ``None`` if it is an acknowledgement.
        position: the client's position after the message, in ticks of its session.
        reached: the highest position so far; the client discards the audio before it.
    """

    number: int
    reply: Reply | None
    position: int
    reached: int


@attrs.frozen
class Resumption:
    """How a turn continues a meeting; positions are ticks of the client's session.

    Attributes:
        start: the position that the client adds to the offsets of the turn.
        audio: the position of the turn's first sample.
        lost: what the client has not received, in order.
    """

    start: int
    audio: int
    lost: tuple[Item, ...]


class History:
    """The messages of one meeting that changed the client's position.

    Args:
        start: the position at which the meeting starts, in ticks of the client's session.
    """

    def __init__(self, start: int) -> None:
        # Makes the tokens different from those of another meeting of the same client.
        self._tag = uuid.uuid4().hex[:12]
        self._start = Item(0, None, start, start)
        self._items: deque[Item] = deque(maxlen=_MOST_ITEMS)
        # The newest item that a connection has accepted.
        self._sent = self._start

    @property
    def last(self) -> Item:
        """The newest item; number 0 if there is none."""
        return self._items[-1] if self._items else self._start

    def add(self, reply: Reply | None, position: int) -> Item:
        """Append a final result, or an acknowledgement of the audio up to ``position``."""
        last = self.last
        item = Item(last.number + 1, reply, position, max(last.reached, position))
        self._items.append(item)
        return item

    def note_sent(self, item: Item) -> None:
        """Note that a connection has accepted an item."""
        self._sent = item

    def headers(self, item: Item, start: int) -> dict[str, str]:
        """Return the headers of an item's message in a turn that starts at ``start``."""
        token = {_TOKEN: f"{self._tag}-{item.number}"}
        return token if item.reply else {**token, _OFFSET: str(item.position - start)}

    def resume(self, turn: Turn) -> Resumption:
        """Return how a turn continues the meeting."""
        position = turn.position
        if position is None:
            # The JavaScript SDK reconnects only after a close frame, before which it has
            # received everything; it adds the end of the last result.
            last = self._sent
            return Resumption(last.position, last.reached, self._after(last.number))
        received = self._of_token(turn.token)
        if received is None:
            known = (item for item in reversed(self._items) if item.position == position)
            received = next(known, None)
        if received is None:
            lost = tuple(item for item in self._items if item.position > position)
            return Resumption(position, position, lost)
        return Resumption(position, received.reached, self._after(received.number))

    def was_received(self, item: Item, turn: Turn) -> bool:
        """Whether the client had received an item when it began a turn."""
        if turn.position is None or "continuation" not in turn.context:
            return self._sent.number >= item.number
        received = self._of_token(turn.token)
        return (
            turn.position >= item.position if received is None else received.number >= item.number
        )

    def _of_token(self, token: str) -> Item | None:
        tag, _, number = token.partition("-")
        if tag != self._tag or not number.isascii() or not number.isdigit():
            return None
        return next((item for item in reversed(self._items) if str(item.number) == number), None)

    def _after(self, number: int) -> tuple[Item, ...]:
        return tuple(item for item in self._items if item.number > number)
