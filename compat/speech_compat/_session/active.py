"""The running sessions of the process: the program's exit ends them, a fork forgets them."""

from __future__ import annotations

import time
from typing import Final, Protocol

from speech_compat._session import event_loop

__all__ = ["ActiveSession", "add", "remove"]

# Time for the stored meetings of an exiting program to be written to disk.
_EXIT_SECONDS: Final = 60.0


class ActiveSession(Protocol):
    """A session between its start and ``session_stopped``."""

    def end_with_program(self, deadline: float) -> None:
        """End the session because the program exits; ``deadline`` in ``time.monotonic()``."""
        ...

    def forget(self) -> None:
        """End the parent's session in a forked process, where its threads are missing."""
        ...


_active: set[ActiveSession] = set()


def add(session: ActiveSession) -> None:
    """Add a session that starts."""
    event_loop.run_at_exit(_end_all)
    _active.add(session)


def remove(session: ActiveSession) -> None:
    """Remove a session that has ended."""
    _active.discard(session)


def _end_all() -> None:
    """End all sessions because the program exits; they share one deadline."""
    deadline = time.monotonic() + _EXIT_SECONDS
    for session in tuple(_active):
        session.end_with_program(deadline)


@event_loop.after_fork
def _forget_all() -> object:
    of_parent = tuple(_active)
    for session in of_parent:
        session.forget()
    _active.clear()
    return of_parent
