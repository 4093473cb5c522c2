"""Results and operations that the clients of meetings and conversations share.

The public modules derive the classes with the names of each; only these differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from speech_compat._remote.polled import PolledOperation
from speech_compat._sdk.results import MeetingResult

if TYPE_CHECKING:
    from speech_adapters.transcript import Transcript

__all__ = ["RemoteItem", "RemoteOperation", "RemoteResult"]


class RemoteItem(MeetingResult):
    """An utterance; ``offset`` and ``duration`` in ticks of 100 ns."""

    @property
    def offset_in_ticks(self) -> int:
        """Start, in ticks of 100 ns, by its C# name."""
        return self.offset


ItemT = TypeVar("ItemT", bound=RemoteItem)
ResultT = TypeVar("ResultT", bound="RemoteResult[Any]")


class RemoteResult(Generic[ItemT]):
    """A transcript that was fetched by id."""

    _item_class: type[ItemT]

    def __init__(self, id: str, items: list[ItemT]) -> None:  # noqa: A002
        self._id = id
        self._items = items

    @property
    def id(self) -> str:
        """The id of the meeting or conversation."""
        return self._id


class RemoteOperation(PolledOperation[ResultT]):
    """The transcription of one meeting or conversation."""

    _result_class: type[ResultT]

    def _result_of(self, transcript: Transcript) -> ResultT:
        # Not at import: reading a transcript is the first thing here that needs a backend's types.
        from speech_compat._session.mapping.results import remote_records

        item_class = self._result_class._item_class
        items = [item_class(record) for record in remote_records(transcript)]
        return self._result_class(self.id, items)
