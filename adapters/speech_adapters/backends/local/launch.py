"""Starting the worker process."""

from __future__ import annotations

import sys
from pathlib import Path

from speech_adapters.backends.local.job import Job
from speech_adapters.recording import workers

__all__ = ["command", "spawn_detached"]


def command(job: Job) -> list[str]:
    """Give the worker's command line; ``-P`` keeps the working directory off its path."""
    return [sys.executable, "-P", "-m", "speech_adapters.backends.local.worker", job.dump()]


def spawn_detached(job: Job, log: Path) -> None:
    """Start a worker that outlives this process."""
    workers.spawn(command(job), job.recording, log)
