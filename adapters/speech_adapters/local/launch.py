"""Starting the worker process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from speech_adapters.errors import BackendError
from speech_adapters.local.job import Job
from speech_adapters.store import Recording

__all__ = ["command", "log_path", "spawn_detached"]

_children: list[subprocess.Popen[bytes]] = []


def command(job: Job) -> list[str]:
    """Give the worker's command line; ``-P`` keeps the working directory off its path."""
    return [sys.executable, "-P", "-m", "speech_adapters.local.worker", job.dump()]


def log_path(recording: Recording) -> Path:
    """Give the file for what the worker prints; it is removed when all went well."""
    return recording.audio_path.with_suffix(".log")


def spawn_detached(job: Job, log: Path) -> None:
    """Start a worker that outlives this process; what it prints goes to ``log``.

    Raises:
        BackendError: it cannot be started.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    try:
        with log.open("wb") as chatter:
            child = subprocess.Popen(  # noqa: S603
                command(job),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=chatter,
                start_new_session=True,
            )
    except OSError as error:
        raise BackendError(f"The speech engine's process cannot be started: {error}.") from error
    _children.append(child)  # kept, so that it is reaped by the next call
