"""The transcription of one meeting as a long-running operation.

Its shape is that of the C# and Java clients (docs/protocol/legacy-interface.md, 2.2),
with Python's spelling, plus the methods of an azure-core poller by their names.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from speech_compat._remote.client import STATES, RemoteClient, RemoteResponse

if TYPE_CHECKING:
    from speech_adapters.contract import MeetingStatus
    from speech_adapters.transcript import Transcript

__all__ = ["Operation"]

ResultT = TypeVar("ResultT")

_POLL_SECONDS: Final = 10.0
# How soon an asynchronous wait notices abandon(), which other threads may call.
_ABANDON_SECONDS: Final = 0.2
_NOT_POLLED: Final = "NotStarted"


class Operation(Generic[ResultT]):
    """The transcription of one meeting, polled.

    Args:
        id: the meeting's id.
        client: the client that sends the requests.
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
        self._interval = _positive(polling_interval)  # seconds
        # Serializes requests of several threads: those after the final one send nothing.
        self._lock = threading.RLock()
        self._state = _NOT_POLLED  # of the last answer
        self._reason = ""  # of the last answer, for a failure
        self._progress: float | None = None  # of the last answer
        self._step = ""  # of the last answer
        self._value: ResultT | None = None  # read at most once
        self._callbacks: list[Callable[[Any], Any]] = []  # called once, then dropped
        self._abandoned = threading.Event()  # set by abandon(), until the next wait

    @property
    def id(self) -> str:
        """The meeting's id."""
        return self._id

    @property
    def has_completed(self) -> bool:
        """Whether the last answer was ``Completed``, ``Failed`` or ``Deleted``."""
        return self._state in STATES[2:]

    @property
    def has_value(self) -> bool:
        """Whether :attr:`value` was read successfully."""
        return self._value is not None

    @property
    def progress(self) -> float | None:
        """The share of the audio processed at the last request, 0 to 1, or ``None``."""
        return self._progress

    @property
    def step(self) -> str:
        """The processing step at the last request, in words; empty when unknown."""
        return self._step

    @property
    def value(self) -> ResultT:
        """The result.

        Raises:
            RuntimeError: the operation is not completed, or it failed (with the reason)
                or was deleted; the last two with the texts of the C# client.
        """
        with self._lock:
            if self._value is None:
                self._require_completed()
                self._value = self._result_of(self._client._request("transcript", self._id))
            return self._value

    def get_raw_response(self) -> RemoteResponse:
        """Return the last answer."""
        body: dict[str, Any] = {"id": self._id}
        if self._state in STATES:
            body["processingStatus"] = STATES.index(self._state)
        return RemoteResponse(200, body)

    def update_status(self) -> RemoteResponse:
        """Request the status once, unless the operation has completed already.

        Raises:
            RuntimeError: there is no such meeting, or the backend cannot be reached.
        """
        with self._lock:
            if self.has_completed:
                return self.get_raw_response()
            self._state_from(self._client._request("status", self._id))
        return self._answered()

    async def update_status_async(self) -> RemoteResponse:
        """Like :meth:`update_status`, awaited."""
        if self.has_completed:
            return self.get_raw_response()
        status = await self._client._request_async("status", self._id)
        with self._lock:
            if not self.has_completed:  # by another request meanwhile
                self._state_from(status)
        return self._answered()

    def wait_for_completion(
        self,
        polling_interval: float | None = None,
        timeout: float | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> ResultT:
        """Request the status until the operation has completed, and return the result.

        Args:
            polling_interval: seconds between two requests; 10 by default.
            timeout: seconds to wait at most; ``None`` for no limit.
            on_progress: called with this operation after every request.

        Raises:
            TimeoutError: it is not completed yet, or :meth:`abandon` was called.  The
                meeting is still processed, and waiting can be repeated.
            RuntimeError: it failed or was deleted, or there is no such meeting.
        """
        interval = self._interval if polling_interval is None else _positive(polling_interval)
        deadline = None if timeout is None else time.monotonic() + timeout
        self._abandoned.clear()
        while not self._poll(on_progress).has_completed:
            self._rest(interval, deadline)
        return self.value

    async def wait_for_completion_async(
        self,
        polling_interval: float | None = None,
        timeout: float | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> ResultT:
        """Like :meth:`wait_for_completion`, awaited."""
        interval = self._interval if polling_interval is None else _positive(polling_interval)
        deadline = None if timeout is None else time.monotonic() + timeout
        self._abandoned.clear()
        while True:
            await self.update_status_async()
            if on_progress is not None:
                on_progress(self)
            if self.has_completed:
                return await self._value_async()
            await self._rest_async(interval, deadline)

    def result(self, timeout: float | None = None) -> ResultT:
        """Like :meth:`wait_for_completion`; never returns anything unfinished."""
        return self.wait_for_completion(timeout=timeout)

    def abandon(self) -> None:
        """End the waits of other threads and tasks, which raise TimeoutError.

        The meeting itself is not affected; any operation of its id, including this one, can
        be waited for again.
        """
        self._abandoned.set()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the operation has reached a final state, or for ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        self._abandoned.clear()
        while not self._poll().has_completed:
            try:
                self._rest(self._interval, deadline)
            except TimeoutError:
                return

    def done(self) -> bool:
        """Whether it had completed at the last request."""
        return self.has_completed

    def status(self) -> str:
        """Return the last state: ``NotStarted`` before the first request, then ``Uploading``,
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
        """Return a text from which another process recreates this operation."""
        document = json.dumps({"version": 1, "id": self._id})
        return base64.urlsafe_b64encode(document.encode()).decode()

    @classmethod
    def from_continuation_token(cls, continuation_token: str, client: RemoteClient) -> Self:
        """Recreate an operation from :meth:`continuation_token`.

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

    async def _value_async(self) -> ResultT:
        if self._value is None and self._state == "Completed":
            transcript = await self._client._request_async("transcript", self._id)
            with self._lock:
                if self._value is None:
                    self._value = self._result_of(transcript)
        return self.value

    def _poll(self, on_progress: Callable[[Any], Any] | None = None) -> Self:
        self.update_status()
        if on_progress is not None:
            on_progress(self)
        return self

    def _state_from(self, status: MeetingStatus) -> None:
        self._state, self._reason = status.state.value, status.reason
        self._progress, self._step = status.progress, status.step

    def _answered(self) -> RemoteResponse:
        """Call the callbacks of a completed operation, without the lock; return the answer."""
        callbacks: list[Callable[[Any], Any]] = []
        with self._lock:
            if self.has_completed:
                callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)
        return self.get_raw_response()

    def _rest(self, interval: float, deadline: float | None) -> None:
        self._abandoned.wait(self._pause(interval, deadline))
        self._check_abandoned()

    async def _rest_async(self, interval: float, deadline: float | None) -> None:
        import asyncio  # slow to import, and most programs are synchronous

        pause = self._pause(interval, deadline)
        while pause > 0 and not self._abandoned.is_set():
            await asyncio.sleep(min(pause, _ABANDON_SECONDS))
            pause -= _ABANDON_SECONDS
        self._check_abandoned()

    def _check_abandoned(self) -> None:
        if self._abandoned.is_set():
            raise TimeoutError(
                f"Waiting for meeting {self._id!r} was abandoned (state {self._state}). It is still"
                " processed: wait again later."
            )

    def _pause(self, interval: float, deadline: float | None) -> float:
        left = interval if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(
                f"Meeting {self._id!r} is not completed yet (state {self._state}): wait again."
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
