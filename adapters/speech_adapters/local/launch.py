"""Starting the worker process."""

from __future__ import annotations

import sys
from pathlib import Path

from speech_adapters import workers
from speech_adapters.local.job import Job

__all__ = ["command", "spawn_detached"]


def command(job: Job) -> list[str]:
    """Give the worker's command line; ``-P`` keeps the working directory off its path."""
    return [sys.executable, "-P", "-m", "speech_adapters.local.worker", job.dump()]


def spawn_detached(job: Job, log: Path) -> None:
    """Start a worker that outlives this process; see :func:`speech_adapters.workers.spawn`."""
    workers.spawn(command(job), job.recording, log)
