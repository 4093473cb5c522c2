"""Fetching the transcript of a meeting by its id, from any process.

Examples:
    >>> client = RemoteMeetingTranscriptionClient(speech_config)  # doctest: +SKIP
    >>> operation = client.get_transcription_operation("my-meeting")  # doctest: +SKIP
    >>> operation.wait_for_completion().meeting_transcription_results  # doctest: +SKIP

In C# and Java these classes are a separate package; Python never had them.
"""

from __future__ import annotations

from speech_compat._remote.client import RemoteClient, RemoteResponse
from speech_compat._remote.operation import POLL_SECONDS
from speech_compat._remote.poller import TranscriptionDeletedError, TranscriptionFailedError
from speech_compat._remote.results import RemoteItem, RemoteOperation, RemoteResult
from speech_compat.transcription import MeetingTranscriptionResult

__all__ = [
    "RemoteMeetingTranscriptionClient",
    "RemoteMeetingTranscriptionItem",
    "RemoteMeetingTranscriptionOperation",
    "RemoteMeetingTranscriptionResult",
    "RemoteResponse",
    "TranscriptionDeletedError",
    "TranscriptionFailedError",
]


class RemoteMeetingTranscriptionItem(MeetingTranscriptionResult, RemoteItem):
    """An utterance; ``offset`` and ``duration`` in ticks of 100 ns."""


class RemoteMeetingTranscriptionResult(RemoteResult[RemoteMeetingTranscriptionItem]):
    """The transcript of a meeting."""

    _item_class = RemoteMeetingTranscriptionItem

    @property
    def meeting_transcription_results(self) -> list[RemoteMeetingTranscriptionItem]:
        """The utterances, in order."""
        return list(self._items)


class RemoteMeetingTranscriptionOperation(RemoteOperation[RemoteMeetingTranscriptionResult]):
    """The transcription of one meeting, polled."""

    _result_class = RemoteMeetingTranscriptionResult


class RemoteMeetingTranscriptionClient(RemoteClient):
    """Fetches and deletes transcripts of meetings by id."""

    def get_transcription_operation(
        self,
        id: str,  # noqa: A002
        polling_interval: float = POLL_SECONDS,
    ) -> RemoteMeetingTranscriptionOperation:
        """Return the operation for one meeting; sends no request yet.

        Args:
            id: the meeting's id.
            polling_interval: seconds between two requests while waiting.

        Raises:
            ValueError: the id is empty or the interval not positive.
        """
        return RemoteMeetingTranscriptionOperation(id, self, polling_interval)
