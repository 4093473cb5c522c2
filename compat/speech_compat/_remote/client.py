"""The client that fetches transcripts by id, shared by the meeting and conversation eras.

One behavior of the C# and Java clients is not copied: they read every answer that is no
transcript, even the one for an unknown id, as "still uploading", and waited for ever
(docs/protocol/legacy-interface.md, 2.2).  Here that is an error.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from speech_compat._sdk.config import SpeechConfig
from speech_compat._session import event_loop

if TYPE_CHECKING:
    from speech_adapters.meetings import MeetingService

__all__ = ["STATES", "RemoteClient", "RemoteResponse"]

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
        """Return the body."""
        return self.body


class RemoteClient:
    """Reads the status and transcript of meetings by id.

    A meeting is looked up with the backend that recorded it on this machine, otherwise with
    the configured one.  The settings are checked when the client is created.  Those of the first
    request are kept, like the connections, for the client's lifetime: the program may set its
    token until then.

    Args:
        config: names the backend; its key and region are for backends that need them.

    Raises:
        ValueError: it is no SpeechConfig.
        RuntimeError: a setting is wrong, or an extra is missing that requests need.
    """

    def __init__(self, config: SpeechConfig) -> None:
        if not isinstance(config, SpeechConfig):
            raise ValueError("config must be a SpeechConfig instance")
        _check(config)
        self._config = config
        # Guards the next attribute: requests may come from several threads at once.
        self._lock = threading.Lock()
        self._service: MeetingService | None = None

    def delete_remote_transcription(self, id: str) -> RemoteResponse:  # noqa: A002
        """Delete audio and transcript.

        Raises:
            RuntimeError: there is no such meeting, or it is being recorded.
        """
        self._request("delete", id)
        return _deleted(id)

    async def delete_remote_transcription_async(self, id: str) -> RemoteResponse:  # noqa: A002
        """Like :meth:`delete_remote_transcription`, awaited."""
        await self._request_async("delete", id)
        return _deleted(id)

    def _request(self, method: str, meeting_id: str) -> Any:
        """Call a method of the meeting service and wait for its result."""
        from speech_adapters.errors import SpeechError

        try:
            return event_loop.call(self._run, method, meeting_id)
        except SpeechError as error:
            raise RuntimeError(str(error)) from error

    async def _request_async(self, method: str, meeting_id: str) -> Any:
        """Call a method of the meeting service and await its result."""
        from speech_adapters.errors import SpeechError

        try:
            return await event_loop.call_async(self._run, method, meeting_id)
        except SpeechError as error:
            raise RuntimeError(str(error)) from error

    async def _run(self, method: str, meeting_id: str) -> Any:
        """Call a method of the meeting service, on the process's event loop."""
        service = self._service
        if service is None:
            from speech_adapters import threads

            # Settings are files, and the service is an import: not on the event loop.
            service = await threads.COMPUTE.run(self._acquire)
        return await getattr(service, method)(meeting_id)

    def _acquire(self) -> MeetingService:
        from speech_compat._session import services
        from speech_compat._session.mapping.requests import settings_of

        with self._lock:
            if self._service is None:
                self._service = services.acquire(settings_of(self._config))
                # The legacy clients have no close method, so the last reference ends the use.
                weakref.finalize(self, services.release_from_finalizer, self._service)
            return self._service


def _check(config: SpeechConfig) -> None:
    """Raise ``RuntimeError`` if no request could succeed."""
    from speech_adapters.errors import MissingExtraError, SpeechError
    from speech_adapters.registry import keeps_nothing_elsewhere
    from speech_compat._session.mapping.requests import settings_of
    from speech_compat._session.services import check_backend

    try:
        check_backend(config, lambda: config.authorization_token)
    except MissingExtraError as error:
        # Transcripts in the store of this machine are read and deleted without their backend.
        if not keeps_nothing_elsewhere(settings_of(config).backend):
            raise RuntimeError(str(error)) from error
    except SpeechError as error:
        raise RuntimeError(str(error)) from error


def _deleted(meeting_id: str) -> RemoteResponse:
    return RemoteResponse(200, {"id": meeting_id, "processingStatus": STATES.index("Deleted")})
