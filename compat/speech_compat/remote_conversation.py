"""Fetching the transcript of a conversation by its id, from any process.

    >>> client = RemoteConversationTranscriptionClient(speech_config)     # doctest: +SKIP
    >>> operation = client.get_transcription_operation("my-conversation")   # doctest: +SKIP
    >>> operation.wait_for_completion().conversation_transcription_results  # doctest: +SKIP

In C# and Java these classes are a separate package; Python never had them.
"""

from __future__ import annotations

from speech_compat._remote.client import RemoteClient, RemoteResponse
from speech_compat._remote.operation import POLL_SECONDS
from speech_compat._remote.poller import TranscriptionDeletedError, TranscriptionFailedError
from speech_compat._remote.results import RemoteItem, RemoteOperation, RemoteResult
from speech_compat.transcription import ConversationTranscriptionResult

__all__ = [
    "RemoteConversationTranscriptionClient",
    "RemoteConversationTranscriptionItem",
    "RemoteConversationTranscriptionOperation",
    "RemoteConversationTranscriptionResult",
    "RemoteResponse",
    "TranscriptionDeletedError",
    "TranscriptionFailedError",
]


class RemoteConversationTranscriptionItem(ConversationTranscriptionResult, RemoteItem):
    """An utterance; ``offset`` and ``duration`` in ticks of 100 ns."""


class RemoteConversationTranscriptionResult(RemoteResult[RemoteConversationTranscriptionItem]):
    """The transcript of a conversation."""

    _item_class = RemoteConversationTranscriptionItem

    @property
    def conversation_transcription_results(self) -> list[RemoteConversationTranscriptionItem]:
        """The utterances, in order."""
        return list(self._items)


class RemoteConversationTranscriptionOperation(
    RemoteOperation[RemoteConversationTranscriptionResult]
):
    """The transcription of one conversation, polled."""

    _result_class = RemoteConversationTranscriptionResult


class RemoteConversationTranscriptionClient(RemoteClient):
    """Fetches and deletes transcripts of conversations by id."""

    def get_transcription_operation(
        self,
        id: str,  # noqa: A002
        polling_interval: float = POLL_SECONDS,
    ) -> RemoteConversationTranscriptionOperation:
        """Return the operation for one conversation; sends no request yet.

        Args:
            id: the conversation's id.
            polling_interval: seconds between two requests while waiting.

        Raises:
            ValueError: the id is empty or the interval not positive.
        """
        return RemoteConversationTranscriptionOperation(id, self, polling_interval)
