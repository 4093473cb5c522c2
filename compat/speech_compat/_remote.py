"""Fetching a transcript later, by id: what the clients of meetings and conversations share.

The shape is that of the C# and Java clients (legacy-interface facts 2), with
Python's spelling, plus the methods of an azure-core poller by their names.  One
thing is not copied: those clients took any answer that was no transcript, an unknown
id too, for "still uploading", and waited for ever.  Here that is an error.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from speech_compat import _runtime
from speech_compat._config import SpeechConfig

if TYPE_CHECKING:
    from speech_adapters.contract import Backend, MeetingStatus
    from speech_adapters.transcript import Transcript

__all__ = ["Operation", "RemoteClient", "RemoteResponse"]

T = TypeVar("T")
ResultT = TypeVar("ResultT")

_STATES: Final = ("Uploading", "Processing", "Completed", "Failed", "Deleted")
_POLL_SECONDS: Final = 10.0
_NOT_POLLED: Final = "NotStarted"


@dataclass(frozen=True)
class RemoteResponse:
    """The answer to one request.

    ``body`` has the shape of the retired service's answer: ``id``, and
    ``processingStatus`` from 0 (uploading) to 4 (deleted).
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
        self._ask(id, lambda backend: backend.delete(id))
        return RemoteResponse(200, {"id": id, "processingStatus": _STATES.index("Deleted")})

    async def delete_remote_transcription_async(self, id: str) -> RemoteResponse:  # noqa: A002
        """Like :meth:`delete_remote_transcription`."""
        import asyncio

        return await asyncio.to_thread(self.delete_remote_transcription, id)

    def _status(self, id: str) -> MeetingStatus:  # noqa: A002
        return self._ask(id, lambda backend: backend.status(id))

    def _transcript(self, id: str) -> Transcript:  # noqa: A002
        return self._ask(id, lambda backend: backend.transcript(id))

    def _ask(self, id: str, question: Callable[[Backend], Awaitable[T]]) -> T:  # noqa: A002
        from speech_adapters.errors import SpeechError
        from speech_adapters.registry import meeting_backend
        from speech_compat._bridge import settings_of

        async def asked(backend: Backend) -> T:
            try:
                return await question(backend)
            finally:
                await backend.aclose()

        try:
            return _runtime.call(asked, meeting_backend(settings_of(self._config), id))
        except SpeechError as error:
            raise RuntimeError(str(error)) from error


class Operation(Generic[ResultT]):
    """The transcription of one meeting, polled.

    Args:
        id: the meeting's id.
        client: whom to ask.
        polling_interval: seconds between two requests while waiting.

    Raises:
        ValueError: the id is empty or the interval not positive.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        client: RemoteClient,
        polling_interval: float = _POLL_SECONDS,
    ) -> None:
        if not id:
            raise ValueError("id must not be empty")
        self._id = id
        self._client = client
        self._interval = _positive(polling_interval)
        self._lock = threading.RLock()
        self._state = _NOT_POLLED
        self._reason = ""
        self._value: ResultT | None = None
        self._callbacks: list[Callable[[Any], Any]] = []

    @property
    def id(self) -> str:
        """The meeting's id."""
        return self._id

    @property
    def has_completed(self) -> bool:
        """Whether the last answer was ``Completed``, ``Failed`` or ``Deleted``."""
        return self._state in _STATES[2:]

    @property
    def has_value(self) -> bool:
        """Whether :attr:`value` was read with success."""
        return self._value is not None

    @property
    def value(self) -> ResultT:
        """The result.

        Raises:
            RuntimeError: it is not completed, failed (with the reason) or deleted; the
                last two with the words of the C# client.
        """
        with self._lock:
            if self._value is None:
                self._require_completed()
                self._value = self._result_of(self._client._transcript(self._id))
            return self._value

    def get_raw_response(self) -> RemoteResponse:
        """Give the last answer."""
        body: dict[str, Any] = {"id": self._id}
        if self._state in _STATES:
            body["processingStatus"] = _STATES.index(self._state)
        return RemoteResponse(200, body)

    def update_status(self) -> RemoteResponse:
        """Ask once, unless it has completed already.

        Raises:
            RuntimeError: there is no such meeting, or the backend cannot be asked.
        """
        callbacks: list[Callable[[Any], Any]] = []
        with self._lock:
            if not self.has_completed:
                status = self._client._status(self._id)
                self._state, self._reason = status.state.value, status.reason
                if self.has_completed:
                    callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)
        return self.get_raw_response()

    async def update_status_async(self) -> RemoteResponse:
        """Like :meth:`update_status`."""
        import asyncio

        return await asyncio.to_thread(self.update_status)

    def wait_for_completion(
        self, polling_interval: float | None = None, timeout: float | None = None
    ) -> ResultT:
        """Ask, then wait, until it has completed; gives the result.

        Args:
            polling_interval: seconds between two requests, 10 unless said otherwise.
            timeout: seconds after which to give up; ``None`` waits for ever.

        Raises:
            TimeoutError: it is not completed yet; waiting again goes on.
            RuntimeError: it failed or was deleted, or there is no such meeting.
        """
        interval = self._interval if polling_interval is None else _positive(polling_interval)
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._look().has_completed:
            time.sleep(self._pause(interval, deadline))
        return self.value

    async def wait_for_completion_async(
        self, polling_interval: float | None = None, timeout: float | None = None
    ) -> ResultT:
        """Like :meth:`wait_for_completion`."""
        import asyncio

        interval = self._interval if polling_interval is None else _positive(polling_interval)
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (await asyncio.to_thread(self._look)).has_completed:
            await asyncio.sleep(self._pause(interval, deadline))
        return await asyncio.to_thread(lambda: self.value)

    def result(self, timeout: float | None = None) -> ResultT:
        """Like :meth:`wait_for_completion`; never gives anything unfinished."""
        return self.wait_for_completion(timeout=timeout)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it has completed, in whatever way, or ``timeout`` seconds have passed."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._look().has_completed:
            try:
                time.sleep(self._pause(self._interval, deadline))
            except TimeoutError:
                return

    def done(self) -> bool:
        """Whether it had completed when last asked."""
        return self.has_completed

    def status(self) -> str:
        """Give the last state: ``NotStarted`` before the first request, then ``Uploading``,
        ``Processing``, ``Completed``, ``Failed`` or ``Deleted``.
        """  # noqa: D205
        return self._state

    def add_done_callback(self, func: Callable[[Any], Any]) -> None:
        """Call ``func(operation)`` once it has completed; at once if it has already."""
        with self._lock:
            if not self.has_completed:
                self._callbacks.append(func)
                return
        func(self)

    def continuation_token(self) -> str:
        """Give a text from which another process makes this operation again."""
        document = json.dumps({"version": 1, "id": self._id})
        return base64.urlsafe_b64encode(document.encode()).decode()

    @classmethod
    def from_continuation_token(cls, continuation_token: str, client: RemoteClient) -> Self:
        """Make an operation from :meth:`continuation_token`.

        Raises:
            ValueError: it is no such text.
        """
        try:
            document = json.loads(base64.urlsafe_b64decode(continuation_token))
            return cls(document["id"], client)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("This is no continuation token of an operation.") from error

    def _result_of(self, transcript: Transcript) -> ResultT:
        raise NotImplementedError

    def _look(self) -> Self:
        self.update_status()
        return self

    def _pause(self, interval: float, deadline: float | None) -> float:
        left = interval if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(
                f"Meeting {self._id!r} is not completed yet (state {self._state}): ask again later."
            )
        return min(interval, left)

    def _require_completed(self) -> None:
        if self._state in (_NOT_POLLED, "Deleted"):
            raise RuntimeError("The operation was deleted so no value is available.")
        if self._state == "Failed":
            raise RuntimeError(
                f"The operation was failed so no value is available. {self._reason}".rstrip()
            )
        if self._state != "Completed":
            raise RuntimeError(f"The operation is not completed yet (state {self._state}).")


def _positive(interval: float) -> float:
    if not interval > 0:
        raise ValueError(f"polling_interval must be more than 0 seconds, not {interval}")
    return interval
