"""Processes that go on with a recording when the program that made it has ended."""

from __future__ import annotations

import atexit
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from speech_adapters.contract import JobState
from speech_adapters.errors import BackendError, MeetingBusyError
from speech_adapters.store import Hold, Recording, Store

__all__ = ["hold_patiently", "log_path", "spawn", "take"]

_HOLD_TRIES: Final = 5
_HOLD_SECONDS: Final = 0.2

# Workers started here, by recording: one that has not got hold of its recording
# yet must not be started again by whoever asks meanwhile.
_children: dict[str, subprocess.Popen[bytes]] = {}


@atexit.register
def _disown() -> None:
    """Keep Popen from complaining at exit: workers outlive this process on purpose."""
    for child in _children.values():
        child.returncode = child.returncode or 0


def log_path(recording: Recording) -> Path:
    """Give the file for what a worker prints; it is removed when all went well."""
    return recording.audio_path.with_suffix(".log")


def spawn(command: list[str], recording: str, log: Path, told: bytes = b"") -> None:
    """Start a worker that outlives this process; what it prints goes to ``log``.

    Does nothing while one that was started here for the same recording runs.

    Args:
        command: its command line, which others on the machine can see.
        recording: the recording's id.
        log: where its output goes.
        told: what it reads on its standard input, which others cannot see.

    Raises:
        BackendError: it cannot be started.
    """
    for other, child in tuple(_children.items()):
        if child.poll() is not None:
            _children.pop(other, None)
    if recording in _children:
        return
    try:
        with log.open("wb") as chatter:
            child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.PIPE if told else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=chatter,
                start_new_session=True,
            )
    except OSError as error:
        raise BackendError(f"The worker process cannot be started: {error}.") from error
    _children[recording] = child
    if child.stdin is not None:
        with suppress(BrokenPipeError), child.stdin as pipe:
            pipe.write(told)


def take(store: Store, recording: str, process: Callable[[Recording], None]) -> None:
    """Hold a recording and process it, unless somebody else is at it or it is done."""
    hold = hold_patiently(store, recording)
    if hold is None:
        return
    with hold:
        found = store.get(recording)
        if found.state is JobState.PROCESSING:
            process(found)


def hold_patiently(store: Store, recording: str) -> Hold | None:
    """Hold a recording, or give ``None`` when somebody else keeps it.

    Whoever asks for its state holds it for an instant.
    """
    for _ in range(_HOLD_TRIES):
        with suppress(MeetingBusyError):
            return store.hold_recording(recording)
        time.sleep(_HOLD_SECONDS)
    return None
