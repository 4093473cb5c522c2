"""The transcription of one meeting with the methods of an azure-core poller.

::

    C#, Java     update_status, wait_for_completion     request in the thread of the caller
    azure-core   result, wait                           wait_for_completion by other names
                 done, status, add_done_callback        start a thread that polls
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from speech_compat._remote.client import RemoteClient, RemoteResponse
from speech_compat._remote.operation import (
    POLL_SECONDS,
    Operation,
    deadline_after,
    seconds_left,
)
from speech_compat._remote.poller import PollerThread

if TYPE_CHECKING:
    from speech_adapters.contract import MeetingStatus

__all__ = ["PolledOperation"]

ResultT = TypeVar("ResultT")
_logger = logging.getLogger("speech_compat")


class PolledOperation(Operation[ResultT]):
    """An operation that a thread polls from the first use of it as a poller on.

    Args:
        id: the meeting's id.
        client: the client that sends the requests.
        polling_interval: seconds between two requests, of the thread and while waiting.

    Raises:
        ValueError: the id is empty or the interval not positive.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        client: RemoteClient,
        polling_interval: float = POLL_SECONDS,
    ) -> None:
        super().__init__(id, client, polling_interval)
        self._callbacks: list[Callable[[Any], Any]] = []  # called once, then dropped
        self._poll_error: Exception | None = None  # ended the thread; until the next answer
        self._poller = PollerThread("speech-compat-poller", polling_interval)

    @property
    def error(self) -> Exception | None:
        """Why there will be no value; ``None`` while that is open, and after success.

        A :class:`.TranscriptionFailedError` or :class:`.TranscriptionDeletedError`, whose
        ``reason`` is for people, or the error that ended the thread.
        """
        return super().error or self._poll_error

    def abandon(self) -> None:
        """End the waits of other threads and tasks, which raise TimeoutError, and the polling.

        The meeting itself is not affected; any operation of its id, including this one, can
        be waited for again.
        """
        super().abandon()
        self._poller.stop()

    def result(self, timeout: float | None = None) -> ResultT:
        """Like :meth:`wait_for_completion`; never returns anything unfinished."""
        return self.wait_for_completion(timeout=timeout)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the operation has completed, or for ``timeout`` seconds.

        Raises:
            TranscriptionFailedError, TranscriptionDeletedError: there is no result.
            RuntimeError: there is no such meeting, or the backend cannot be reached.
        """
        try:
            self._complete(self._interval, deadline_after(timeout))
        except TimeoutError:
            return
        if (error := self.error) is not None:
            raise error

    def done(self) -> bool:
        """Whether it has completed, or a request failed, and all callbacks have returned.

        Starts to poll, at the interval of the constructor.
        """
        if self.finished():
            return not self._poller.running
        self._start_polling()
        return False

    def status(self) -> str:
        """Return the last state: ``NotStarted`` before the first request, then ``Uploading``,
        ``Processing``, ``Completed``, ``Failed`` or ``Deleted``.  Starts to poll.
        """  # noqa: D205
        if not self.finished():
            self._start_polling()
        return self._state

    def add_done_callback(self, func: Callable[[Any], Any]) -> None:
        """Call ``func(operation)`` once it has completed, or a request failed; starts to poll.

        Called at once if that is the case already, otherwise in the thread that polls.  An
        exception of ``func`` is logged.
        """
        with self._lock:
            open_ = not self.finished()
            if open_:
                self._callbacks.append(func)
        if open_:
            self._poller.start(self._poll_once)
        else:
            self._call(func)

    def remove_done_callback(self, func: Callable[[Any], Any]) -> None:
        """Remove a callback, as often as it was added.

        Raises:
            ValueError: the operation has completed, so its callbacks were called.
        """
        with self._lock:
            if self.finished():
                raise ValueError("The operation has completed: its callbacks were called.")
            self._callbacks = [found for found in self._callbacks if found != func]

    def polling_method(self) -> Self:
        """Return the object that azure-core passes to callbacks: here, this operation."""
        return self

    def finished(self) -> bool:
        """Whether it has completed, or a request of the poller thread failed."""
        return self.has_completed or self._poll_error is not None

    def resource(self) -> ResultT:
        """Return :attr:`value`, by the name of azure-core's polling method."""
        return self.value

    def get_continuation_token(self) -> str:
        """Return :meth:`continuation_token`, by the name of azure-core's polling method."""
        return self.continuation_token()

    def continuation_token(self) -> str:
        """Return a text from which another process recreates this operation."""
        document = json.dumps({"version": 1, "id": self._id})
        return base64.urlsafe_b64encode(document.encode()).decode()

    @classmethod
    def from_continuation_token(
        cls,
        polling_method: Operation[Any] | None,
        continuation_token: str,
        *,
        client: RemoteClient | None = None,
    ) -> Self:
        """Recreate an operation from :meth:`continuation_token`.

        Args:
            polling_method: that of another operation, whose client and interval are used;
                ``None`` for the default interval, with ``client``.
            continuation_token: the text.
            client: the client to use instead.

        Raises:
            ValueError: it is no such text, or there is no client.
        """
        client = client or (polling_method._client if polling_method is not None else None)
        if client is None:
            raise ValueError("from_continuation_token needs a polling method or a client.")
        interval = POLL_SECONDS if polling_method is None else polling_method._interval
        try:
            document = json.loads(base64.urlsafe_b64decode(continuation_token))
            return cls(document["id"], client, interval)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError("This is no continuation token of an operation.") from error

    def _complete(
        self,
        interval: float,
        deadline: float | None,
        on_progress: Callable[[Any], Any] | None = None,
    ) -> None:
        super()._complete(interval, deadline, on_progress)
        # So that the callbacks have returned when this does.
        self._poller.join(seconds_left(deadline))

    def _state_from(self, status: MeetingStatus) -> None:
        super()._state_from(status)
        self._poll_error = None

    def _answered(self) -> RemoteResponse:
        if self.has_completed:
            self._poller.stop()
            self._call_back()
        return super()._answered()

    def _poll_once(self) -> bool:
        """Request the status, in the poller thread; return whether to end the thread."""
        try:
            self.update_status()
        except Exception as error:
            if threading.main_thread().is_alive():  # otherwise the program is ending
                with self._lock:
                    self._poll_error = error
                self._call_back()
            return True
        return self.has_completed

    def _start_polling(self) -> None:
        # A call that waits requests the status itself, and may call status() for its progress.
        if not self._waits:
            self._poller.start(self._poll_once)

    def _call_back(self) -> None:
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable[[Any], Any]) -> None:
        try:
            callback(self)
        except Exception:
            _logger.exception("A callback of an operation failed.")
