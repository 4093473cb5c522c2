"""Fetching the transcript of a meeting by its id, from any process.

    >>> client = RemoteMeetingTranscriptionClient(speech_config)     # doctest: +SKIP
    >>> operation = client.get_transcription_operation("my-meeting")   # doctest: +SKIP
    >>> operation.wait_for_completion().meeting_transcription_results  # doctest: +SKIP

In C# and Java these were a package of their own; Python never had them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_compat._remote.client import RemoteClient, RemoteResponse
from speech_compat._remote.operation import Operation
from speech_compat.transcription import MeetingTranscriptionResult

if TYPE_CHECKING:
    from speech_adapters.transcript import Transcript

__all__ = [
    "RemoteMeetingTranscriptionClient",
    "RemoteMeetingTranscriptionItem",
    "RemoteMeetingTranscriptionOperation",
    "RemoteMeetingTranscriptionResult",
    "RemoteResponse",
]


class RemoteMeetingTranscriptionItem(MeetingTranscriptionResult):
    """An utterance; ``offset`` and ``duration`` in ticks of 100 ns."""

    @property
    def offset_in_ticks(self) -> int:
        """Start, in ticks of 100 ns, by its C# name."""
        return self.offset


class RemoteMeetingTranscriptionResult:
    """The transcript of a meeting."""

    def __init__(self, id: str, items: list[RemoteMeetingTranscriptionItem]) -> None:  # noqa: A002
        self._id = id
        self._items = items

    @property
    def id(self) -> str:
        """The meeting's id."""
        return self._id

    @property
    def meeting_transcription_results(self) -> list[RemoteMeetingTranscriptionItem]:
        """The utterances, in order."""
        return list(self._items)


class RemoteMeetingTranscriptionOperation(Operation[RemoteMeetingTranscriptionResult]):
    """The transcription of one meeting, polled."""

    def _result_of(self, transcript: Transcript) -> RemoteMeetingTranscriptionResult:
        from speech_compat._session.mapping import remote_records

        records = remote_records(transcript)
        items = [RemoteMeetingTranscriptionItem(record) for record in records]
        return RemoteMeetingTranscriptionResult(self.id, items)


class RemoteMeetingTranscriptionClient(RemoteClient):
    """Asks about meetings by id."""

    def get_transcription_operation(
        self,
        id: str,  # noqa: A002
        polling_interval: float = 10.0,
    ) -> RemoteMeetingTranscriptionOperation:
        """Give the operation for one meeting; nothing is asked yet.

        Args:
            id: the meeting's id.
            polling_interval: seconds between two requests while waiting.
        """
        return RemoteMeetingTranscriptionOperation(id, self, polling_interval)
