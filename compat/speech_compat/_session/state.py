"""The states of a transcription and the transitions between them."""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["State"]


class State(Enum):
    """Where a transcription is in its life.

    ::

        RUNNING ── stop ──> STOPPING ── close ──> ABORTED
           │                   ↑                     ↑
          exit               stop                  stop
           ↓                   │                     │
        EXITING ───────────────┴─── close ───────> DETACHED

        any state ── session_stopped ──> ENDED

    * RUNNING: audio and events flow.  The end of the audio, or an error, ends the
      transcription from here.
    * STOPPING: the program called stop; the audio received so far is still recognized.
    * EXITING: the program's main thread has ended; a stored meeting is written to disk.
    * ABORTED: the session was closed after a stop, because the rest took too long or the
      program exits.
    * DETACHED: the session was closed at the program's exit; a worker process continues
      with the stored meeting.
    * ENDED: ``session_stopped`` is emitted, or was; a new session may start.
    """

    RUNNING = "running"
    STOPPING = "stopping"
    EXITING = "exiting"
    ABORTED = "aborted"
    DETACHED = "detached"
    ENDED = "ended"

    @property
    def stopped(self) -> bool:
        """Whether the program called stop, so that no ``canceled`` follows."""
        return self in (State.STOPPING, State.ABORTED)

    @property
    def exiting(self) -> bool:
        """Whether the program exits without having called stop."""
        return self in (State.EXITING, State.DETACHED)

    @property
    def closed(self) -> bool:
        """Whether the backend's session is closed, so that an error of a push is expected."""
        return self in (State.ABORTED, State.DETACHED, State.ENDED)

    def on_stop(self) -> State:
        """Return the state after the program has called stop."""
        return _ON_STOP.get(self, self)

    def on_exit(self) -> State:
        """Return the state after the program's main thread has ended."""
        return _ON_EXIT.get(self, self)

    def on_close(self) -> State:
        """Return the state after the backend's session was closed early."""
        return _ON_CLOSE.get(self, self)


# A state that is missing does not change.  So a stop outlasts the exit: what matters then is
# that no canceled follows.
_ON_STOP: Final = {
    State.RUNNING: State.STOPPING,
    State.EXITING: State.STOPPING,
    State.DETACHED: State.ABORTED,
}
_ON_EXIT: Final = {State.RUNNING: State.EXITING}
_ON_CLOSE: Final = {State.STOPPING: State.ABORTED, State.EXITING: State.DETACHED}
