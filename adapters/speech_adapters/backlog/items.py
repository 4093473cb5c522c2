"""The recordings of a backlog: what a manifest has of them, and what became of them."""

from __future__ import annotations

import hashlib
from enum import Enum

import attrs

from speech_adapters.masking import masked_repr

__all__ = ["Change", "Counts", "Entry", "Estimate", "Item", "ItemState", "Problem", "meeting_key"]


class ItemState(Enum):
    """What became of a recording.

    ::

        WAITING ──▶ RECORDED ──▶ COMPLETED | FAILED ──retry──▶ WAITING
           └──▶ DUPLICATE | FAILED              INVALID: the manifest's line cannot be used
    """

    WAITING = "waiting"
    RECORDED = "recorded"
    COMPLETED = "completed"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    INVALID = "invalid"


@attrs.frozen
class Entry:
    """A recording that a manifest names.

    Attributes:
        line: its line in the manifest, or its position in a folder, from 1.
        source: the absolute path, or the address without its query.
        address: the address, which may be signed; empty for a file.
        stamp: changes when the content changes: of a file, its size and time of change; of a blob,
            the digest or version that the account lists; empty if it is unknown.
        size: bytes; ``None`` if it is unknown.
        id: the user's own id of the recording; may be empty.
        title: the user's own title or notes; may be empty.
        language: BCP-47 tag; empty for that of the backlog.
        speakers: largest number of speakers; ``None`` for that of the backlog.
    """

    line: int
    source: str
    address: str = attrs.field(default="", repr=masked_repr)
    stamp: str = ""
    size: int | None = None
    id: str = ""
    title: str = ""
    language: str = ""
    speakers: int | None = None


@attrs.frozen
class Problem:
    """A line of a manifest that names no recording that can be used.

    Attributes:
        line: the line, from 1.
        source: what it names; may be empty.
        reason: why it cannot be used, as a sentence.
    """

    line: int
    source: str
    reason: str


@attrs.frozen
class Item:
    """A recording of a backlog, as the journal has it.

    Attributes:
        number: its place in the journal, which it keeps.
        line: its line in the manifest.
        source: the absolute path, or the address without its query.
        address: the address, which may be signed; empty for a file, and once it is completed.
        stamp: changes when the content changes; see :class:`Entry`.
        size: bytes; ``None`` if it is unknown.
        id: the user's own id; may be empty.
        title: the user's own title or notes; may be empty.
        language: BCP-47 tag.
        speakers: largest number of speakers; ``None`` if it is unknown.
        key: the last part of its meeting's id; empty until its content is known.
        duration: length in ticks; ``None`` if it is unknown.
        state: what became of it.
        reason: why it failed or is invalid; of a completed one, the faults of its audio.
        original: the number of the recording that it is a duplicate of.
        retried: whether a failed meeting of it in the store is to be tried again.
        attempts: how often it was tried again.
        ended: when it came to its final state, in UTC as ISO 8601; empty before.
    """

    number: int
    line: int
    source: str
    address: str = attrs.field(repr=masked_repr)
    stamp: str
    size: int | None
    id: str
    title: str
    language: str
    speakers: int | None
    key: str
    duration: int | None
    state: ItemState
    reason: str
    original: int | None
    retried: bool
    attempts: int
    ended: str


@attrs.frozen
class Change:
    """A new state of a recording.

    Attributes:
        number: which recording.
        state: its state.
        reason: see :class:`Item`.
        duration: length in ticks; ``None`` leaves what is known.
        attempts: how often it was tried again by now; ``None`` leaves what is known.
        retried: whether a failed meeting of it in the store is to be tried again.
    """

    number: int
    state: ItemState
    reason: str = ""
    duration: int | None = None
    attempts: int | None = None
    retried: bool = False


@attrs.frozen
class Counts:
    """How many recordings of a backlog are in each state."""

    waiting: int = 0
    recorded: int = 0
    completed: int = 0
    failed: int = 0
    duplicate: int = 0
    invalid: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(attrs.astuple(self))

    @property
    def unfinished(self) -> int:
        """Those that are not in a final state."""
        return self.waiting + self.recorded


@attrs.frozen
class Estimate:
    """What is left to do of a backlog.

    Attributes:
        counts: the recordings by their states.
        size: bytes of those that are waiting.
        duration: ticks of those that are waiting, as far as they are known.
        unknown: how many of those that are waiting have an unknown length.
    """

    counts: Counts
    size: int
    duration: int
    unknown: int


def meeting_key(content: str, language: str, speakers: int | None) -> str:
    """Return the key of recordings with this content that are to be transcribed in this way.

    Args:
        content: the digest of the content, or what stands for it.
        language: BCP-47 tag.
        speakers: largest number of speakers, if it is known.
    """
    identity = f"{content}\0{language.casefold()}\0{speakers}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
