"""Fetching a transcript later, by id: what the clients of meetings and conversations share.

One thing of the C# and Java clients is not copied: those took any answer that was no
transcript, an unknown id too, for "still uploading", and waited for ever
(docs/protocol/legacy-interface.md, 2.2).  Here that is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from speech_compat._sdk.config import SpeechConfig
from speech_compat._session import event_loop as _runtime

if TYPE_CHECKING:
    from speech_adapters.contract import MeetingStatus
    from speech_adapters.transcript import Transcript

__all__ = ["STATES", "RemoteClient", "RemoteResponse"]

T = TypeVar("T")

STATES: Final = ("Uploading", "Processing", "Completed", "Failed", "Deleted")


@dataclass(frozen=True)
class RemoteResponse:
    """The answer to one request.

    ``body`` has the shape of the retired service's answer: ``id``, and
    ``processingStatus`` from 0 (uploading) to 4 (deleted) (docs/protocol/legacy-interface.md, 2.5).
    """

    status_code: int
    body: dict[str, Any]

    def json(self) -> dict[str, Any]:
        """Give the body."""
        return self.body


class RemoteClient:
    """Asks about meetings by id: the backend that recorded it here, or the configured one.

    Args:
        config: says which backend; its key and region are for backends that need them.

    Raises:
        ValueError: it is no SpeechConfig.
    """

    def __init__(self, config: SpeechConfig) -> None:
        if not isinstance(config, SpeechConfig):
            raise ValueError("config must be a SpeechConfig instance")
        self._config = config

    def delete_remote_transcription(self, id: str) -> RemoteResponse:  # noqa: A002
        """Delete audio and transcript.

        Raises:
            RuntimeError: there is no such meeting, or it is being recorded just now.
        """
        self._ask("delete_meeting", id)
        return RemoteResponse(200, {"id": id, "processingStatus": STATES.index("Deleted")})

    async def delete_remote_transcription_async(self, id: str) -> RemoteResponse:  # noqa: A002
        """Like :meth:`delete_remote_transcription`."""
        import asyncio

        return await asyncio.to_thread(self.delete_remote_transcription, id)

    def _status(self, id: str) -> MeetingStatus:  # noqa: A002
        status: MeetingStatus = self._ask("meeting_status", id)
        return status

    def _transcript(self, id: str) -> Transcript:  # noqa: A002
        transcript: Transcript = self._ask("meeting_transcript", id)
        return transcript

    def _ask(self, question: str, id: str) -> Any:  # noqa: A002
        from speech_adapters import asking
        from speech_adapters.errors import SpeechError
        from speech_compat._session.mapping import settings_of

        try:
            return _runtime.call(getattr(asking, question), settings_of(self._config), id)
        except SpeechError as error:
            raise RuntimeError(str(error)) from error
