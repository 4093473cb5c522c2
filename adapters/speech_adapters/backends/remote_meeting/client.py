"""The client of ``offlinetask``: asks about meetings at the service, and deletes them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from speech_adapters import isolated, threads
from speech_adapters.azure.http import RejectedError, ServiceClient, retry_after
from speech_adapters.backends.remote_meeting.answers import TaskStatus, read_status
from speech_adapters.errors import MeetingBusyError
from speech_adapters.isolated import run_isolated

__all__ = ["MeetingClient", "is_busy", "read_status_isolated"]

_TASK: Final = "/offlinetask"
_GONE: Final = frozenset({404, 410})
# The meeting is being recorded or processed, and so locked.
_BUSY: Final = frozenset({409, 423})


class MeetingClient:
    """Raises the errors of :class:`ServiceClient`.

    Args:
        service: the HTTP client.
    """

    def __init__(self, service: ServiceClient) -> None:
        self._service = service

    async def query(self, meeting_id: str, answer: Path) -> tuple[TaskStatus | None, float]:
        """Return the status of a meeting, or ``None`` if the service does not know it.

        The second value is the pause in seconds that the service requests.

        Args:
            meeting_id: the meeting's id.
            answer: file that receives the answer, which has the transcript of a meeting that is
                Completed.

        Raises:
            BackendError: the answer cannot be read.
            MeetingBusyError: the service cannot answer while it works on the meeting.
        """
        try:
            # Into a file: the transcript of a long meeting does not belong into memory.
            response = await self._service.request(
                "GET", _TASK, params={"id": meeting_id}, save_to=answer
            )
        except RejectedError as error:
            if error.status in _GONE:
                return None, 0.0
            if is_busy(error):
                raise MeetingBusyError(str(error)) from None
            raise
        return await _status(answer), retry_after(response) or 0.0

    async def delete(self, meeting_id: str) -> bool:
        """Delete a meeting; return whether there was one.

        Raises:
            RejectedError: the service refuses; see :func:`is_busy`.
        """
        try:
            await self._service.request("DELETE", _TASK, params={"id": meeting_id})
        except RejectedError as error:
            if error.status in _GONE:
                return False
            raise
        return True

    async def aclose(self) -> None:
        """Close all connections.  Idempotent."""
        await self._service.aclose()


def is_busy(error: RejectedError) -> bool:
    """Return whether the service refused a request because it works on the meeting."""
    return error.status in _BUSY


async def _status(answer: Path) -> TaskStatus:
    size = (await threads.COMPUTE.run(answer.stat)).st_size
    if size > isolated.LARGE_BYTES:
        found = await run_isolated(read_status_isolated, str(answer))
        return msgspec.json.decode(found, type=TaskStatus)
    return await threads.COMPUTE.run(read_status, answer)


def read_status_isolated(argument: str) -> str:
    """Read the status in a large answer, in a child process; return it as JSON."""
    return msgspec.json.encode(read_status(Path(argument))).decode()
