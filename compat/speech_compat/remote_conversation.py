"""Fetching the transcript of a conversation by its id, from any process.

    >>> client = RemoteConversationTranscriptionClient(speech_config)     # doctest: +SKIP
    >>> operation = client.get_transcription_operation("my-conversation")   # doctest: +SKIP
    >>> operation.wait_for_completion().conversation_transcription_results  # doctest: +SKIP

In C# and Java these were a package of their own; Python never had them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speech_compat._remote.client import RemoteClient, RemoteResponse
from speech_compat._remote.operation import Operation
from speech_compat.transcription import ConversationTranscriptionResult

if TYPE_CHECKING:
    from speech_adapters.transcript import Transcript

__all__ = [
    "RemoteConversationTranscriptionClient",
    "RemoteConversationTranscriptionItem",
    "RemoteConversationTranscriptionOperation",
    "RemoteConversationTranscriptionResult",
    "RemoteResponse",
]


class RemoteConversationTranscriptionItem(ConversationTranscriptionResult):
    """An utterance; ``offset`` and ``duration`` in ticks of 100 ns."""

    @property
    def offset_in_ticks(self) -> int:
        """Start, in ticks of 100 ns, by its C# name."""
        return self.offset


class RemoteConversationTranscriptionResult:
    """The transcript of a conversation."""

    def __init__(self, id: str, items: list[RemoteConversationTranscriptionItem]) -> None:  # noqa: A002
        self._id = id
        self._items = items

    @property
    def id(self) -> str:
        """The conversation's id."""
        return self._id

    @property
    def conversation_transcription_results(self) -> list[RemoteConversationTranscriptionItem]:
        """The utterances, in order."""
        return list(self._items)


class RemoteConversationTranscriptionOperation(Operation[RemoteConversationTranscriptionResult]):
    """The transcription of one conversation, polled."""

    def _result_of(self, transcript: Transcript) -> RemoteConversationTranscriptionResult:
        from speech_compat._session.mapping import remote_records

        records = remote_records(transcript)
        items = [RemoteConversationTranscriptionItem(record) for record in records]
        return RemoteConversationTranscriptionResult(self.id, items)


class RemoteConversationTranscriptionClient(RemoteClient):
    """Asks about conversations by id."""

    def get_transcription_operation(
        self,
        id: str,  # noqa: A002
        polling_interval: float = 10.0,
    ) -> RemoteConversationTranscriptionOperation:
        """Give the operation for one conversation; nothing is asked yet.

        Args:
            id: the conversation's id.
            polling_interval: seconds between two requests while waiting.
        """
        return RemoteConversationTranscriptionOperation(id, self, polling_interval)
