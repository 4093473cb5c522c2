"""Starting the worker process."""

from __future__ import annotations

import atexit
import subprocess
import sys
from pathlib import Path

from speech_adapters.errors import BackendError
from speech_adapters.local.job import Job
from speech_adapters.store import Recording

__all__ = ["command", "log_path", "spawn_detached"]

# Workers started here, by recording: one that has not got hold of its recording
# yet must not be started again by whoever asks meanwhile.
_children: dict[str, subprocess.Popen[bytes]] = {}


@atexit.register
def _disown() -> None:
    """Keep Popen from complaining at exit: workers outlive this process on purpose."""
    for child in _children.values():
        child.returncode = child.returncode or 0


def command(job: Job) -> list[str]:
    """Give the worker's command line; ``-P`` keeps the working directory off its path."""
    return [sys.executable, "-P", "-m", "speech_adapters.local.worker", job.dump()]


def log_path(recording: Recording) -> Path:
    """Give the file for what the worker prints; it is removed when all went well."""
    return recording.audio_path.with_suffix(".log")


def spawn_detached(job: Job, log: Path) -> None:
    """Start a worker that outlives this process; what it prints goes to ``log``.

    Does nothing while one that was started here for the same recording runs.

    Raises:
        BackendError: it cannot be started.
    """
    for recording, child in tuple(_children.items()):
        if child.poll() is not None:
            _children.pop(recording, None)
    if job.recording in _children:
        return
    try:
        with log.open("wb") as chatter:
            _children[job.recording] = subprocess.Popen(  # noqa: S603
                command(job),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=chatter,
                start_new_session=True,
            )
    except OSError as error:
        raise BackendError(f"The speech engine's process cannot be started: {error}.") from error
