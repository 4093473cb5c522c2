"""The thread that polls an operation, and the errors of operations that came to no result."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["PollerThread", "TranscriptionDeletedError", "TranscriptionFailedError"]


class TranscriptionFailedError(RuntimeError):
    """The transcription failed.

    Attributes:
        reason: what happened and what to do; may be empty.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        # The words of the C# client, and the reason, which it does not have.
        super().__init__(f"The operation was failed so no value is available. {reason}".rstrip())


class TranscriptionDeletedError(RuntimeError):
    """The transcription was deleted.

    Attributes:
        reason: empty; it is here so that both errors can be treated alike.
    """

    reason = ""

    def __init__(self) -> None:
        super().__init__("The operation was deleted so no value is available.")


class PollerThread:
    """A daemon thread that polls until there is nothing more to poll.

    ::

        idle ──start──▶ polling ──poll returns True, or stop──▶ idle

    A daemon, as that of an azure-core poller: it keeps no program from ending.

    Args:
        name: the name of the thread.
        interval: seconds between two polls.
    """

    def __init__(self, name: str, interval: float) -> None:
        self._name = name
        self._interval = interval
        # Guards the next two: each thread has an event of its own, so that one which is
        # still ending does not end the next.
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @property
    def running(self) -> bool:
        """Whether the thread is alive."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, poll: Callable[[], bool]) -> None:
        """Start to poll, unless that is done already.

        Args:
            poll: requests the status once, and returns whether to end; raises nothing.  Kept
                by the thread only, so that its owner is freed without the garbage collector.
        """
        with self._lock:
            if self.running and not self._stop.is_set():
                return
            stop = self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(poll, stop), name=self._name, daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the thread soon; does not wait for it."""
        with self._lock:
            self._stop.set()

    def join(self, timeout: float | None) -> None:
        """Wait until the thread has ended; returns at once in the thread itself."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self, poll: Callable[[], bool], stop: threading.Event) -> None:
        while not stop.is_set() and not poll():
            stop.wait(self._interval)
