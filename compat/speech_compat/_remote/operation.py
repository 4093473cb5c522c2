"""The transcription of one meeting as a long-running operation, as in C# and Java.

Its shape is that of their clients (docs/protocol/legacy-interface.md, 2.2), with Python's
spelling.  :mod:`.polled` adds the methods of an azure-core poller.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from speech_compat._remote.client import STATES, RemoteClient, RemoteResponse
from speech_compat._remote.poller import TranscriptionDeletedError, TranscriptionFailedError

if TYPE_CHECKING:
    from speech_adapters.contract import MeetingStatus
    from speech_adapters.transcript import Transcript

__all__ = ["POLL_SECONDS", "Operation", "deadline_after", "seconds_left"]

ResultT = TypeVar("ResultT")

POLL_SECONDS: Final = 10.0
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
        polling_interval: float = POLL_SECONDS,
    ) -> None:
        if not id:
            raise ValueError("id must not be empty")
        self._id = id
        self._client = client
        self._interval = _positive(polling_interval)  # seconds
        # Serializes requests of several threads: those after the final one send nothing.
        self._requests = threading.RLock()
        # Guards the attributes below.  Never locked during a request or a callback.
        self._lock = threading.Lock()
        self._state = _NOT_POLLED  # of the last answer
        self._reason = ""  # of the last answer, for a failure
        self._progress: float | None = None  # of the last answer
        self._step = ""  # of the last answer
        self._value: ResultT | None = None  # read at most once
        self._waits = 0  # calls that request the status by themselves just now
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
    def error(self) -> Exception | None:
        """Why there will be no value; ``None`` while that is open, and after success.

        A :class:`.TranscriptionFailedError` or :class:`.TranscriptionDeletedError`, whose
        ``reason`` is for people.
        """
        return self._final_error()

    @property
    def value(self) -> ResultT:
        """The result.

        Raises:
            TranscriptionFailedError: it failed, with the reason.
            TranscriptionDeletedError: it was deleted.
            RuntimeError: it is not completed yet, or the transcript cannot be read.
        """
        if self._value is None:
            # Before the lock, for which an event loop must not wait during a request.
            self._require_completed()
            with self._requests:
                if self._value is None:
                    transcript = self._client._request("transcript", self._id)
                    self._value = self._result_of(transcript)
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
        with self._requests:
            if self.has_completed:
                return self.get_raw_response()
            self._state_from(self._client._request("status", self._id))
        return self._answered()

    async def update_status_async(self) -> RemoteResponse:
        """Like :meth:`update_status`, awaited."""
        if self.has_completed:
            return self.get_raw_response()
        self._state_from(await self._client._request_async("status", self._id))
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
            TranscriptionFailedError, TranscriptionDeletedError: there is no result.
            RuntimeError: there is no such meeting, or the backend cannot be reached.
        """
        interval = self._interval if polling_interval is None else _positive(polling_interval)
        self._complete(interval, deadline_after(timeout), on_progress)
        return self.value

    async def wait_for_completion_async(
        self,
        polling_interval: float | None = None,
        timeout: float | None = None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> ResultT:
        """Like :meth:`wait_for_completion`, awaited."""
        interval = self._interval if polling_interval is None else _positive(polling_interval)
        deadline = deadline_after(timeout)
        with self._waiting():
            while True:
                await self.update_status_async()
                if on_progress is not None:
                    on_progress(self)
                if self.has_completed:
                    return await self._value_async()
                await self._rest_async(interval, deadline)

    def abandon(self) -> None:
        """End the waits of other threads and tasks, which raise TimeoutError.

        The meeting itself is not affected; any operation of its id, including this one, can
        be waited for again.
        """
        self._abandoned.set()

    def _result_of(self, transcript: Transcript) -> ResultT:
        raise NotImplementedError

    async def _value_async(self) -> ResultT:
        if self._value is None and self._state == "Completed":
            result = self._result_of(await self._client._request_async("transcript", self._id))
            with self._lock:
                self._value = self._value or result
        return self.value

    def _complete(
        self,
        interval: float,
        deadline: float | None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> None:
        with self._waiting():
            while True:
                self.update_status()
                if on_progress is not None:
                    on_progress(self)
                if self.has_completed:
                    return
                self._rest(interval, deadline)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Count a call that requests the status by itself until the end of the block."""
        self._abandoned.clear()
        with self._lock:
            self._waits += 1
        try:
            yield
        finally:
            with self._lock:
                self._waits -= 1

    def _state_from(self, status: MeetingStatus) -> None:
        with self._lock:
            if not self.has_completed:  # by another request meanwhile
                self._state, self._reason = status.state.value, status.reason
                self._progress, self._step = status.progress, status.step

    def _answered(self) -> RemoteResponse:
        """Return the answer; called after each, without a lock."""
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
        left = seconds_left(deadline)
        if left is not None and left <= 0:
            raise TimeoutError(
                f"Meeting {self._id!r} is not completed yet (state {self._state}): wait again."
            )
        return interval if left is None else min(interval, left)

    def _final_error(self) -> TranscriptionFailedError | TranscriptionDeletedError | None:
        with self._lock:
            if self._state == "Failed":
                return TranscriptionFailedError(self._reason)
            return TranscriptionDeletedError() if self._state == "Deleted" else None

    def _require_completed(self) -> None:
        if self._state == _NOT_POLLED:  # the words of the C# client
            raise RuntimeError("The operation was deleted so no value is available.")
        if (error := self._final_error()) is not None:
            raise error
        if self._state != "Completed":
            raise RuntimeError(f"The operation is not completed yet (state {self._state}).")


def deadline_after(timeout: float | None) -> float | None:
    """Return the ``time.monotonic()`` in ``timeout`` seconds; ``None`` for no limit."""
    return None if timeout is None else time.monotonic() + timeout


def seconds_left(deadline: float | None) -> float | None:
    """Return the seconds until ``deadline``, at least 0; ``None`` for no limit."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


def _positive(interval: float) -> float:
    if not interval > 0:
        raise ValueError(f"polling_interval must be more than 0 seconds, not {interval}")
    return interval
